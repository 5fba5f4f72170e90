/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What resume says to the forged images of test_image_forged.c, under the default design: a line for each chunk, a word for each of its
 * first 48 numbers, a letter for each value that takes the place of the right one. Taken: '.', impossible: 'x', more than there is
 * memory for: 'm'.
 */
#ifndef TESTS_IMAGE_VERDICTS_H
#define TESTS_IMAGE_VERDICTS_H

/* clang-format off */
static const char *const image_verdicts[] = {
	"xxxxxxxxxxx xxxxxxxxxxx xxx.xxxxxxx xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx xx.xxxxxxxx "
	"xxxx.xxx.xx xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx ........... ........... ",
	"........... ........... ........... ........... ..xx.xxxxxx .xxxxxxxxxx .xxxxxxxxxx "
	"..xx.xxxxxx ",
	"........... ........... xxxx.xx.... ........... x.xxxxxxxxx ....x.xxxxx .xxxxxxxxxx "
	".xxxxxxxxxx ",
	"........... ........... .xxxxxxxxxx xxxxxxxxxxx ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... .xxxxxxxxxx "
	".xxxxxxxxxx ........... .....x...xx ........... .....x...xx ..........x ....x..x.xx "
	".xxxxxxxxxx .xxxxxxxxxx ........... .....x...xx xxxxxxxxxxx .xxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x.xxxx..... .....x...xx ..xx.xxxxxx ...x.xxxxxx x.xxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx xx.xxx..... .....x...xx ..xx.xxxxxx ...x.xxxxxx xx.xxxxxxxx ",
	"xxxxxx..xxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx ........... .....x...xx ......xx..x "
	".xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx x..x.xxxxxx .xxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx x.xxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx xxx.xx..... .....x...xx ..xx.xxxxxx ...x..xxxxx xxx.xxxxxxx ",
	"xxxxxx..xxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx ........... .....x...xx ......xx..x "
	".xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx x..xx.xxxxx .xxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxx.xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx xxxxxx..... .....x...xx ..xx.xxxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx xxxxxx..... .....x...xx ..xx.xxxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxx.x.x .....x...xx ........... .....x...xx ......xxx.x "
	".xxxxxxxxxx .xxx.x..... .....x...xx ..xx.xxxxxx ...x.xxxxxx .....xxxxxx ",
	"........... ........... .xxxxxxxxxx xxxxxxxxxxx ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... .xxxxxxxxxx "
	".xxxxxxxxxx ........... .....x...xx ........... .....x...xx ..........x ....x..x.xx "
	".xxxxxxxxxx .xxxxxxxxxx ........... .....x...xx xxxxxxxxxxx .xxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...x...x.. .....x...xx x.xxxxxxxxx ...x.xxxxxx x.xxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...x...x.. .....x...xx x.xxxxxxxxx ...x.xxxxxx x.xxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...x...x.. .....x...xx x.xxxxxxxxx ...x.xxxxxx x.xxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xx.xxxxxxxx ",
	"xxxxxx..xxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx ........... .....x...xx ......xx..x "
	".xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx x..x.xxxxxx .xxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx x.xxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x..xxxxx xxx.xxxxxxx ",
	"xxxxxx..xxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx ........... .....x...xx ......xx..x "
	".xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx x..xx.xxxxx .xxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxx.xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxx.xxx .xxxxxxxxxx ........... .....x...xx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx ..xxx.xxxxx ...x.xxxxxx .....xxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..x.x .....x...xx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x....x..... .....x...xx ..xxx.xxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"........... ........... x.x.xxxxxxx xxxxxxxxxxx ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... .xxxxxxxxxx "
	".xxxxxxxxxx ........... .....x...xx ........... .....x...xx ..........x ....x..x.xx "
	".xxxxxxxxxx .xxxxxxxxxx ........... .....x...xx xxxxxxxxxxx .xxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...x...... .....x...xx x.xxxxxxxxx ...x.xxxxxx x.xxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xx.xxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx ........... .....x...xx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xx.xxxxxxxx ",
	"xxxxxx..xxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx ........... .....x...xx ......xx..x "
	".xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx x..x.xxxxxx .xxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx x.xxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x..xxxxx xxx.xxxxxxx ",
	"xxxxxx..xxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx ........... .....x...xx ......xx..x "
	".xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx x..xx.xxxxx .xxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxx.xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxx.xxx .xxxxxxxxxx ........... .....x...xx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx ..xxx.xxxxx ...x.xxxxxx .....xxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x....x..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..x.x .....x...xx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x....x..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"........... ........... x..x.xxxxxx xxxxxxxxxxx ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... .xxxxxxxxxx "
	".xxxxxxxxxx ........... .....x...xx ........... .....x...xx ..........x ....x..x.xx "
	".xxxxxxxxxx .xxxxxxxxxx ........... .....x...xx xxxx.x..x.. ........... ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x.......... .....x...xx x.xxxxxxxxx ...x.xxxxxx x.xxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x.......... .....x...xx x.xxxxxxxxx ...x.xxxxxx x.xxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...x...... .....x...xx x.xxxxxxxxx ...x.xxxxxx x.xxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xx.xxxxxxxx ",
	"xxxxxx..xxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx ........... .....x...xx ......xx..x "
	".xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx x..x.xxxxxx .xxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx x.xxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x..xxxxx xxx.xxxxxxx ",
	"xxxxxx..xxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx ........... .....x...xx ......xx..x "
	".xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx .xxxxxxxxxx x..xx.xxxxx .xxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxx.xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..xxx .xxxxxxxxxx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxxx.xxx .xxxxxxxxxx ........... .....x...xx ......xxx.x "
	".xxxxxxxxxx x...xx..... .....x...xx ..xxx.xxxxx ...x.xxxxxx .....xxxxxx ",
	"xxxxxxxxxxx .xxxxxxxxxx xxxxxx..x.x .....x...xx xxxxxxxxxxx .xxxxxxxxxx ......xxx.x "
	".xxxxxxxxxx x....x..... .....x...xx x.xxxxxxxxx ...x.xxxxxx xxxxxxxxxxx ",
	"x.x.xxxxxxx xxx.xxxxxxx ........... ........... ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.x.xxxxxxx xxx.xxxxxxx ........... ........... ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.x.xxxxxxx xx.xxxxxxxx ........... ........... ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.x.xxxxxxx xxxxxxxxxxx ........... ........... ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.x.xxxxxxx xxxxxxxxxxx ........... ........... ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.x.xxxxxxx xx.xxxxxxxx ........... ........... ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.x.xxxxxxx xxx.xxxxxxx ........... ........... ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.x.xxxxxxx xxxxxxxxxxx ........... ........... ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.x.xxxxxxx xxxxxxxxxxx ........... ........... ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.x.xxxxxxx xx.xxxxxxxx ........... ........... ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.xxxxxxxxx ...x.xxxxxx .xxxxxxxxxx x.x.xxxxxxx ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.xxxxxxxxx ...x..xxxxx .xxxxxxxxxx x.x.xxxxxxx ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.xxxxxxxxx ...xx.xxxxx .xxxxxxxxxx x.x.xxxxxxx ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	"x.x.xxxxxxx x.xxxxxxxxx ........... ........... ........... ........... ........... "
	"........... ........... ........... ........... ........... ........... ",
	".x.xxxxxxxx xxxxxxxxxxx .xxxxxxxxxx .x.xxx....x xxxxxxxxxxx .xxxxxxxxxx x.xxxxxxxxx "
	".x.xxx....x xxxxxxxxxxx .xxxxxxxxxx xx.xxxxxxxx .x.xxx....x xxxxxxxxxxx .xxxxxxxxxx "
	"xxx.xxxxxxx .x.xxx....x xxxxxxxxxxx .xxxxxxxxxx ",
	".xxxxxxxxxx ........... xxxxxxxxxxx .xxxxxxxxxx ",
	"x.xxxxxxxxx ........... xxxxxxxxxxx .xxxxxxxxxx ",
	"xx.xxxxxxxx ........... xxxxxxxxxxx .xxxxxxxxxx ",
	"xxx.xxxxxxx ........... xxxxxxxxxxx .xxxxxxxxxx ",
	"",
};
/* clang-format on */

#endif
