/* base/nearest.h: which known word was meant. */
#include "base/nearest.h"

#include "tap.h"

int
main(void)
{
	static const char *const words[] = {"balance", "pay", "history"};
	char longest[200];
	const char *accounts[1];

	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	ok(nearest_word(STR("balence"), words, 3) == words[0], "a letter off");
	ok(nearest_word(STR("pya"), words, 3) == words[1], "two swapped");
	ok(nearest_word(STR("hstory"), words, 3) == words[2], "one missing");
	ok(nearest_word(STR("ppay"), words, 3) == words[1], "one too many");
	ok(nearest_word(STR("toy"), words, 3) == NULL, "too far");
	ok(nearest_word(STR("pay"), words, 0) == NULL, "no candidates");
	ok(nearest_word((struct str){longest, 199}, words, 3) == NULL,
	    "a long word is near to nothing");
	accounts[0] = longest + sizeof(longest) - 98;
	ok(nearest_word((struct str){longest, 96}, accounts, 1) == accounts[0],
	    "an account may be as long as it can be");
	ok(nearest_word(STR_NONE, words, 3) == NULL, "an empty word");
	return tap_done();
}
