/* strife-pay login and logout: the token that later commands use. */
#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "client/login.h"
#include "client/output.h"
#include "client/token_file.h"
#include "pay.h"
#include "wire/account.h"
#include "wire/time.h"

struct login_words {
	char user[NAME_MAX_LEN + 1];
	char bank[BANK_MAX_LEN + 1]; /* "": the gateway's own users */
	int password_fd;             /* -1: none */
};

/* ---- The command line ---- */

/* USER is NAME or NAME@BANK. */
static int
take_user(const struct pay *pay, struct login_words *w, const char *text)
{
	struct account account = {.name = str_from(text), .bank = STR_NONE};

	if (strchr(text, '@') != NULL && !account_parse(&account, account.name))
		account.name = STR_NONE;
	if (account.bank.len > 0 && w->bank[0] != '\0')
		return options_usage(&pay->options, "the bank is named twice");
	if (!name_valid(account.name))
		return options_usage(
		    &pay->options, "%s is not a user: NAME or NAME@BANK", text);
	(void)str_copy(w->user, sizeof(w->user), account.name);
	if (account.bank.len > 0)
		(void)str_copy(w->bank, sizeof(w->bank), account.bank);
	return EXIT_OK;
}

static int
login_options(struct pay *pay, struct login_words *w, int argc, char **argv)
{
	enum { OPTION_BANK = OPTIONS_FIRST, OPTION_PASSWORD_FD };
	static const struct option longs[] = {
	    {"bank", required_argument, NULL, OPTION_BANK},
	    {"password-fd", required_argument, NULL, OPTION_PASSWORD_FD},
	    OPTIONS_LONG};
	const char *problem;
	int option;

	while ((option = pay_option(pay, argc, argv, OPTIONS_SHORT, longs)) !=
	    OPTIONS_END) {
		switch (option) {
		case OPTION_BANK:
			if (!bank_valid(str_from(optarg)))
				return options_usage(&pay->options,
				    "--bank: %s is not a bank", optarg);
			(void)strlcpy(w->bank, optarg, sizeof(w->bank));
			break;
		case OPTION_PASSWORD_FD:
			w->password_fd =
			    (int)strtonum(optarg, 0, 1 << 20, &problem);
			if (problem != NULL)
				return options_usage(&pay->options,
				    "--password-fd %s: the number of an open "
				    "file",
				    optarg);
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind > 1)
		return options_usage(&pay->options, "one user at a time");
	return optind < argc ? take_user(pay, w, argv[optind]) : EXIT_OK;
}

/* ---- login ---- */

/* One line, or all there is: EXIT_OK, or EXIT_DATA having said why. */
static int
read_password(int fd, char password[PASSWORD_MAX_LEN + 1])
{
	char octets[PASSWORD_MAX_LEN + 2], *newline;
	size_t len = 0;
	ssize_t got;
	int result = EXIT_DATA;

	do {
		got = read(fd, octets + len, sizeof(octets) - len);
		if (got > 0)
			len += (size_t)got;
	} while (len < sizeof(octets) && memchr(octets, '\n', len) == NULL &&
	    (got > 0 || (got == -1 && errno == EINTR)));
	newline = memchr(octets, '\n', len);
	if (newline != NULL)
		len = (size_t)(newline - octets);
	if (got == -1)
		warn("--password-fd %d", fd);
	else if (len == 0 || len > PASSWORD_MAX_LEN ||
	    !text_valid((struct str){octets, (uint32_t)len}))
		warnx("--password-fd %d: a password is one line of 1 to %d "
		      "octets of UTF-8",
		    fd, PASSWORD_MAX_LEN);
	else if (str_copy(password, PASSWORD_MAX_LEN + 1,
		     (struct str){octets, (uint32_t)len}))
		result = EXIT_OK;
	explicit_bzero(octets, sizeof(octets));
	return result;
}

static bool
has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd == -1)
		return false;
	(void)close(fd);
	return true;
}

int
login_keep(struct pay *pay)
{
	struct session *session = client_session(pay->client);
	const struct login_grant *grant =
	    login_grant(client_login(pay->client));
	const struct tls_identity *self = client_self(pay->client);
	struct token_file token;
	struct yaml_error error;
	int result = EXIT_OK;

	if (grant->token[0] == '\0') {
		warnx("%s gives no tokens, so there is nothing to keep; set "
		      "password_file to log in each time",
		    session_node(session));
		return EXIT_NOPERM;
	}
	memset(&token, 0, sizeof(token));
	(void)strlcpy(token.user, grant->user, sizeof(token.user));
	(void)strlcpy(token.node, session_node(session), sizeof(token.node));
	(void)strlcpy(
	    token.gateway, session_address(session), sizeof(token.gateway));
	time_text(grant->expires_us, token.expires);
	memcpy(token.certificate, self->thumbprint, sizeof(token.certificate));
	(void)strlcpy(token.token, grant->token, sizeof(token.token));
	if (token_file_write(&token, &error) == -1) {
		warnx("%s", error.text);
		result = EXIT_CANTCREATE;
	} else if (pay->config.password_file != NULL) {
		warnx("every command logs in by itself, with the "
		      "password_file of %s; this token is of use without it "
		      "only",
		    pay->config.path);
	}
	explicit_bzero(&token, sizeof(token));
	return result;
}

static int
login_print(const struct pay *pay)
{
	static const struct column columns[] = {{"user", COLUMN_TEXT, 0},
	    {"node", COLUMN_TEXT, 0}, {"expires", COLUMN_TEXT, 0},
	    {"roles", COLUMN_TEXT, 0}};
	const struct login_grant *grant =
	    login_grant(client_login(pay->client));
	struct output *out = pay_output(&(struct output_options){
	    .columns = columns, .count = 4, .json = pay->options.json});

	output_text(out, str_from(grant->user));
	output_text(out, str_from(session_node(client_session(pay->client))));
	output_time(out, grant->expires_us);
	output_text(out, str_from(grant->roles));
	output_row(out);
	return output_close(out);
}

/* Nobody can be asked: what every other command would use, where it fits. */
static int
take_password_file(const struct pay *pay, const struct login_words *w,
    char password[PASSWORD_MAX_LEN + 1])
{
	struct yaml_error error;

	if (pay->config.password_file == NULL || w->bank[0] != '\0' ||
	    (w->user[0] != '\0' && strcmp(w->user, pay->config.user) != 0))
		return EXIT_OK;
	if (client_config_password(
		&pay->config, password, PASSWORD_MAX_LEN + 1, &error) == -1) {
		warnx("%s", error.text);
		return EXIT_CONFIG;
	}
	return EXIT_OK;
}

int
login_run(struct pay *pay, int argc, char **argv)
{
	struct login_words w = {.password_fd = -1};
	struct client_options options = {.login_forced = true};
	char password[PASSWORD_MAX_LEN + 1] = "";
	enum session_end end;
	int result = login_options(pay, &w, argc, argv), printed;

	if (result == EXIT_OK && w.password_fd != -1)
		result = read_password(w.password_fd, password);
	options.interactive = w.password_fd == -1 && has_terminal();
	if (result == EXIT_OK)
		result = pay_start_with(pay, &options);
	if (result == EXIT_OK && w.password_fd == -1 && !options.interactive)
		result = take_password_file(pay, &w, password);
	if (result != EXIT_OK)
		goto out;
	login_use_password(client_login(pay->client),
	    w.user[0] != '\0' ? w.user : pay->config.user,
	    w.bank[0] != '\0' ? w.bank : NULL,
	    password[0] != '\0' ? password : NULL);
	end = client_connect(pay->client);
	if (end != SESSION_END_NONE) {
		result = pay_gave_up(pay, end);
		if (!options.interactive && w.password_fd == -1)
			warnx("there is no terminal to ask on: see "
			      "--password-fd");
		goto out;
	}
	result = login_keep(pay);
	if (result == EXIT_OK) {
		printed = login_print(pay);
		result = printed;
	}
out:
	explicit_bzero(password, sizeof(password));
	return result;
}

/* ---- logout ---- */

static void
logout_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	int *result = ctx;

	(void)cookie;
	if (reply != NULL && reply->word == MSG_ERR)
		*result = pay_refused("logout", reply);
}

/* Tells the gateway that gave the token: EXIT_OK where it holds no more. */
static int
logout_tell(struct pay *pay, struct token_file *token)
{
	const struct client_options options = {
	    .login_forced = true, .only_gateway = token->gateway};
	struct msg request;
	int result = pay_start_with(pay, &options), answer = EXIT_OK;
	struct client_call call = {
	    .request = &request, .reply = logout_answered, .ctx = &answer};
	enum session_end end;

	if (result != EXIT_OK)
		return result;
	login_use_token(client_login(pay->client), token);
	msg_init(&request, MSG_REQUEST, VERB_CLIENT_LOGOUT, "1");
	end = client_call(pay->client, &call);
	/* One that is refused already holds no more. */
	if (end == SESSION_END_NONE)
		return answer;
	if (end == SESSION_END_LOGIN)
		return EXIT_OK;
	return pay_gave_up(pay, end);
}

int
logout_run(struct pay *pay, int argc, char **argv)
{
	static const struct option longs[] = {OPTIONS_LONG};
	struct token_file token;
	struct yaml_error error;
	enum token_found found;
	int result = EXIT_OK;

	if (pay_option(pay, argc, argv, OPTIONS_SHORT, longs) != OPTIONS_END)
		return EXIT_USAGE;
	if (optind != argc)
		return options_usage(&pay->options, "logout takes no operand");
	memset(&token, 0, sizeof(token));
	found = token_file_read(&token, &error);
	if (found == TOKEN_NONE) {
		warnx("there is no token: nobody is logged in");
		return EXIT_OK;
	}
	if (found == TOKEN_UNSAFE || found == TOKEN_WRONG)
		warnx("%s", error.text);
	if (found != TOKEN_WRONG)
		result = logout_tell(pay, &token);
	if (token_file_remove(&error) == -1) {
		warnx("%s", error.text);
		result = EXIT_CANTCREATE;
	} else if (result == EXIT_OK) {
		warnx("%s%s", found == TOKEN_WRONG ? "" : token.user,
		    found == TOKEN_WRONG ? "removed" : " is logged out");
	} else {
		warnx("the token of %s is removed here, but %s could not be "
		      "told: it holds until %s",
		    token.user, token.node, token.expires);
	}
	explicit_bzero(&token, sizeof(token));
	return result;
}
