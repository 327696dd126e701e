/* lib/wire/line: the grammar of PROTOCOL.md section 2, rule by rule. */
#include <stdlib.h>

#include "tap.h"
#include "wire/msg.h"

static struct line line;

static bool
splits(struct str text)
{
	/* A copy of its own size lets a sanitizer see what reads beyond it. */
	char *copy = malloc(text.len == 0 ? 1 : text.len);
	enum line_status status;

	if (copy == NULL)
		return false;
	memcpy(copy, text.at, text.len);
	/* What a line before this one left behind is no part of it. */
	for (size_t i = 0; i < sizeof(line.scratch); i++)
		line.scratch[i] = i % 2 == 0 ? 'A' : ' ';
	status = line_split(&line, (struct str){copy, text.len});
	free(copy);
	return status == LINE_OK;
}

static void
accept(struct str text, const char *what)
{
	ok(splits(text) && line.problem == NULL, "accepted: %s", what);
}

static void
refuse(struct str text, const char *tag, const char *what)
{
	ok(!splits(text), "refused: %s", what);
	is_text(line.tag, tag, "with its tag if it has one");
	ok(line.problem != NULL && line.problem[0] != '\0', "and it says why");
}

static void
test_tags(void)
{
	accept(STR("1 PING"), "a tag of one digit");
	is_text(line.tag, "1", "which is told");
	accept(STR("aZ09aZ09aZ09aZ09 PING"), "a tag of 16 letters and digits");
	is_text(line.tag, "aZ09aZ09aZ09aZ09", "which is told");
	refuse(STR("aZ09aZ09aZ09aZ09x PING"), "0", "a tag of 17");
	refuse(STR(""), "0", "an empty line");
	refuse(STR(" PING"), "0", "no tag");
	refuse(STR("a-b PING"), "0", "a hyphen in a tag");
	refuse(STR("a\xc3\xa9 PING"), "0", "a tag that is not ASCII");
	refuse(STR("%41 PING"), "0", "an escape in a tag");
	accept(STR("* EVENT"), "the tag * on an event");
	is_text(line.tag, "*", "which is told");
	accept(STR("7 EVENT"), "another tag on an event");
	refuse(STR("* PING"), "0", "the tag * on a request");
	refuse(STR("* OK"), "0", "the tag * on OK");
	refuse(STR("* ROW a=b"), "0", "the tag * on a row");
	refuse(STR("* ERR"), "0", "the tag * on ERR");
	refuse(STR("* EVENTS"), "0", "the tag * on EVENTS");
	refuse(STR("** EVENT"), "0", "two asterisks");
	refuse(STR("*a EVENT"), "0", "an asterisk and more");
	refuse(STR("a* EVENT"), "0", "a tag and an asterisk");
	refuse(STR("*"), "0", "an asterisk alone");
}

static void
test_words(void)
{
	accept(STR("1 A"), "a word of one letter");
	accept(STR("1 ABCDEFGHIJKLMNOPQRSTUVW_"), "a word of 24");
	ok(str_is(line.word, "ABCDEFGHIJKLMNOPQRSTUVW_"), "which is told");
	refuse(STR("1 ABCDEFGHIJKLMNOPQRSTUVWXY"), "1", "a word of 25");
	refuse(STR("1"), "1", "a tag alone");
	refuse(STR("1 "), "1", "a tag and a space");
	refuse(STR("1 ping"), "1", "a word in lower case");
	refuse(STR("1 PiNG"), "1", "a lower-case letter in a word");
	refuse(STR("1 PING2"), "1", "a digit in a word");
	refuse(STR("1 PING-A"), "1", "a hyphen in a word");
	refuse(STR("1 %50ING"), "1", "an escape in a word");
	refuse(STR("1 a=b"), "1", "a field in place of a word");
	refuse(STR("1\tPING"), "0", "a tab in place of a space");
}

static void
test_spaces(void)
{
	refuse(STR("1  PING"), "1", "two spaces before the word");
	refuse(STR("1 PING  a=b"), "1", "two spaces before a field");
	refuse(STR("1 PING a=b  c=d"), "1", "two spaces between fields");
	refuse(STR("1 PING "), "1", "a space at the end");
	refuse(STR("1 PING a=b "), "1", "a space after the last field");
	refuse(STR("1 PING a= "), "1", "a space after an empty value");
	refuse(STR("1 PING\r"), "1", "CR at the end");
	refuse(STR("1 PING a=b\r"), "1", "CR after a field");
	refuse(STR("1 PING a=\rb"), "1", "CR in a value");
	refuse(STR("1 PING\ta=b"), "1", "a tab between");
	refuse(STR("1 PING a=b\tc=d"), "1", "a tab in a value");
	refuse(STR("1 PING\n"), "1", "LF inside");
	refuse(STR("1 PING a=b\nc"), "1", "LF in a value");
	refuse(STR("1 PING a=b\0"), "1", "NUL in a value");
	refuse(STR("1 PING\0"), "1", "NUL after the word");
}

static void
test_keys(void)
{
	accept(STR("1 PING a=b"), "a key of one letter");
	accept(STR("1 PING abcdefghijklmnopqrst0_9z=b"), "a key of 24");
	ok(str_is(line.fields[0].name, "abcdefghijklmnopqrst0_9z"), "told");
	ok(line.fields[0].key == KEY_COUNT, "as one that is not known");
	refuse(STR("1 PING abcdefghijklmnopqrstuvwxy=b"), "1", "a key of 25");
	refuse(STR("1 PING =b"), "1", "an empty key");
	refuse(STR("1 PING ab"), "1", "a field without =");
	refuse(STR("1 PING a=b cd"), "1", "a second field without =");
	refuse(STR("1 PING A=b"), "1", "an upper-case key");
	refuse(STR("1 PING a-b=c"), "1", "a hyphen in a key");
	refuse(STR("1 PING a.b=c"), "1", "a dot in a key");
	refuse(STR("1 PING a%62=c"), "1", "an escape in a key");
	refuse(STR("1 PING a\xc3\xa9=c"), "1", "a key that is not ASCII");
	accept(STR("1 PING _=b 0=c"), "an underscore or a digit as key");
	accept(STR("1 PING id=a id=b"), "a repeated key is no matter of shape");
	accept(STR("1 PING memo=a id=b"), "nor is any order");
}

static void
test_values(void)
{
	char text[] = "1 PING a=x";
	unsigned wrong = 0;

	accept(STR("1 PING a="), "an empty value");
	ok(line.count == 1 && line.fields[0].value.len == 0, "which is empty");
	accept(STR("1 PING a= b="), "two empty values");
	accept(STR("1 PING a=b=c"), "= in a value");
	ok(str_is(line.fields[0].value, "b=c"), "which is told whole");
	accept(STR("1 PING a=!\"#$&'()*+,-./:;<>?@[\\]^_`{|}~"), "punctuation");
	ok(str_is(line.fields[0].value, "!\"#$&'()*+,-./:;<>?@[\\]^_`{|}~"),
	    "which stands for itself");
	for (unsigned c = 0; c < 256; c++) {
		bool want = c > 0x20 && c < 0x7f && c != '%';

		text[9] = (char)c;
		wrong += splits(STR(text)) != want;
	}
	is_i64(wrong, 0, "printable ASCII but space and % is legal, no more");
}

static void
test_escapes(void)
{
	char text[] = "1 PING a=%00";
	unsigned wrong = 0;

	accept(STR("1 PING a=%20 b=x%20%25y"), "escapes");
	ok(str_is(line.fields[0].value, " ") &&
		str_is(line.fields[1].value, "x %y"),
	    "which are decoded");
	accept(STR("1 PING a=%41%3D"), "an escape where none was needed");
	ok(str_is(line.fields[0].value, "A="), "which is decoded too");
	accept(STR("1 PING a=%C3%A9"), "an escaped character");
	ok(str_is(line.fields[0].value, "\xc3\xa9"), "in UTF-8");
	accept(STR("1 PING a=%2520"), "an escaped escape");
	ok(str_is(line.fields[0].value, "%20"), "is decoded once only");
	refuse(STR("1 PING a=%c3%a9"), "1", "lower-case hex digits");
	refuse(STR("1 PING a=%C3%a9"), "1", "one lower-case hex digit");
	refuse(STR("1 PING a=%2"), "1", "half an escape");
	refuse(STR("1 PING a=%"), "1", "a bare % at the end");
	refuse(STR("1 PING a=% b=c"), "1", "a bare %");
	refuse(STR("1 PING a=%2 b=c"), "1", "half an escape before a space");
	refuse(STR("1 PING a=%G0"), "1", "what is no hex digit");
	refuse(STR("1 PING a=%%41"), "1", "a doubled %");
	refuse(STR("1 PING a=%20\r"), "1", "CR behind an escape");
	refuse(STR("1 PING a=%0A"), "1", "an escaped LF");
	refuse(STR("1 PING a=x%0D"), "1", "an escaped CR");
	refuse(STR("1 PING a=%00"), "1", "an escaped NUL");
	refuse(STR("1 PING a=%09"), "1", "an escaped tab");
	refuse(STR("1 PING a=%1F"), "1", "an escaped 0x1F");
	refuse(STR("1 PING a=%7F"), "1", "an escaped DEL");
	refuse(STR("1 PING a=%C2%80"), "1", "U+0080");
	refuse(STR("1 PING a=%C2%9F"), "1", "U+009F");
	accept(STR("1 PING a=%C2%A0"), "U+00A0");
	refuse(STR("1 PING a=%C3"), "1", "half a character");
	refuse(STR("1 PING a=%C3 b=%A9"), "1", "a character in two fields");
	refuse(STR("1 PING a=%80"), "1", "a lone continuation");
	refuse(STR("1 PING a=%C0%80"), "1", "an overlong form");
	refuse(STR("1 PING a=%E0%80%80"), "1", "a longer overlong form");
	refuse(STR("1 PING a=%ED%A0%80"), "1", "a surrogate");
	accept(STR("1 PING a=%F4%8F%BF%BF"), "U+10FFFF");
	refuse(STR("1 PING a=%F4%90%80%80"), "1", "beyond U+10FFFF");
	refuse(STR("1 PING a=\xc3\xa9"), "1", "UTF-8 that is not escaped");
	for (unsigned c = 0; c < 256; c++) {
		static const char digits[] = "0123456789ABCDEF";

		text[10] = digits[c >> 4];
		text[11] = digits[c & 15];
		wrong += splits(STR(text)) != (c >= 0x20 && c < 0x7f);
	}
	is_i64(wrong, 0, "of single octets just ASCII may be escaped");
}

static void
test_limits(void)
{
	static char text[LINE_MAX_LEN + 1];
	uint32_t len;

	memset(text, 'x', sizeof(text));
	memcpy(text, "1 PING a=", 9);
	accept((struct str){text, LINE_MAX_LEN - 1}, "4095 octets without LF");
	ok(line.fields[0].value.len == LINE_MAX_LEN - 1 - 9, "all of them");
	refuse((struct str){text, LINE_MAX_LEN}, "1", "4096 octets without LF");
	memcpy(text, "1 P", 3);
	len = 3;
	for (unsigned i = 0; i < LINE_FIELDS_MAX; i++, len += 3)
		memcpy(text + len, " a=", 3);
	accept((struct str){text, len}, "as many fields as fit");
	is_i64(line.count, LINE_FIELDS_MAX, "all of them");
	ok(len + 3 > LINE_MAX_LEN - 1, "no line has more");
	memset(text, '1', sizeof(text));
	refuse((struct str){text, LINE_MAX_LEN - 1}, "0", "an endless tag");
	memset(text, ' ', sizeof(text));
	refuse((struct str){text, LINE_MAX_LEN - 1}, "0", "only spaces");
}

static void
test_replies(void)
{
	ok(splits(STR("1 OK")) && line_is_reply(&line), "OK is a reply");
	ok(splits(STR("1 ERR")) && line_is_reply(&line), "ERR is one");
	ok(splits(STR("1 ROW")) && line_is_reply(&line), "ROW is one");
	ok(splits(STR("* EVENT")) && line_is_reply(&line),
	    "EVENT is none "
	    "to answer");
	ok(splits(STR("1 PING")) && !line_is_reply(&line), "PING is none");
	ok(splits(STR("1 OKAY")) && !line_is_reply(&line), "OKAY is none");
	ok(splits(STR("1 O")) && !line_is_reply(&line), "O is none");
}

int
main(void)
{
	test_tags();
	test_words();
	test_spaces();
	test_keys();
	test_values();
	test_escapes();
	test_limits();
	test_replies();
	return tap_done();
}
