// SPDX-License-Identifier: BSD-2-Clause
//
// Runs a fuzz target without libFuzzer, so that every build and every sanitizer can replay what
// fuzzing found.
//
//   TARGET [-generate N SEED] [FILE|FOLDER]...
//
// The empty input, each file, and each file in a folder go to the target once. With -generate, N
// more inputs are made from these by a few random edits; N and SEED alone decide them, for one
// corpus. Should the target fall over, the input at fault is named, or written to
// ./crash-SEED-NUMBER if it was made.

#include "../tools/rmap/number.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

struct input {
	char *name;
	uint8_t *data;
	size_t size;
};

struct corpus {
	struct input *inputs;
	size_t count, room;
};

// What runs now, for the handler that reports a crash.
static const struct input *running;
static bool running_is_made;

static void report_crash(void)
{
	if (!running)
		return;
	if (running_is_made) {
		FILE *file = fopen(running->name, "wb");

		if (file) {
			fwrite(running->data, 1, running->size, file);
			fclose(file);
		}
	}
	fprintf(stderr, "standalone: the target fell over on %s (%zu bytes)\n", running->name,
		running->size);
	running = NULL;
}

static void on_signal(int number)
{
	report_crash();
	signal(number, SIG_DFL);
	raise(number);
}

_Noreturn static void die(const char *what, const char *name)
{
	fprintf(stderr, "standalone: %s: %s\n", name, what);
	exit(2);
}

static void *grow(void *old, size_t bytes)
{
	void *new = realloc(old, bytes ? bytes : 1);

	if (!new)
		die("out of memory", "corpus");
	return new;
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static size_t below(uint64_t *state, size_t limit)
{
	return limit ? (size_t)(next_random(state) % limit) : 0;
}

// --- reading ------------------------------------------------------------------------------------

static void add_input(struct corpus *corpus, const char *name, uint8_t *data, size_t size)
{
	char *copy = strdup(name);

	if (!copy)
		die("out of memory", name);
	if (corpus->count == corpus->room) {
		corpus->room = corpus->room ? 2 * corpus->room : 64;
		corpus->inputs = grow(corpus->inputs, corpus->room * sizeof(*corpus->inputs));
	}
	corpus->inputs[corpus->count++] = (struct input){ copy, data, size };
}

static void read_file(struct corpus *corpus, const char *name)
{
	FILE *file = fopen(name, "rb");
	uint8_t *data = NULL;
	size_t size = 0;

	if (!file)
		die(strerror(errno), name);
	for (;;) {
		data = grow(data, size + 65536);
		size_t got = fread(data + size, 1, 65536, file);

		size += got;
		if (got == 0)
			break;
	}
	fclose(file);
	add_input(corpus, name, grow(data, size), size);
}

static void read_path(struct corpus *corpus, const char *path)
{
	struct dirent **entries;
	struct stat st;
	int count;

	if (stat(path, &st) != 0)
		die(strerror(errno), path);
	if (!S_ISDIR(st.st_mode)) {
		read_file(corpus, path);
		return;
	}
	count = scandir(path, &entries, NULL, alphasort);
	if (count < 0)
		die(strerror(errno), path);
	for (int i = 0; i < count; i++) {
		size_t room = strlen(path) + strlen(entries[i]->d_name) + 2;
		char *name = grow(NULL, room);

		snprintf(name, room, "%s/%s", path, entries[i]->d_name);
		if (stat(name, &st) == 0 && S_ISREG(st.st_mode))
			read_file(corpus, name);
		free(name);
		free(entries[i]);
	}
	free(entries);
}

// --- making -------------------------------------------------------------------------------------

static void remove_bytes(struct input *input, size_t at, size_t count)
{
	memmove(input->data + at, input->data + at + count, input->size - at - count);
	input->size -= count;
}

// Makes room for count bytes at a place; their contents are what stood there.
static void insert_bytes(struct input *input, size_t at, size_t count)
{
	if (input->size + count > INPUT_MAX)
		return;
	input->data = grow(input->data, input->size + count);
	memmove(input->data + at + count, input->data + at, input->size - at);
	input->size += count;
}

static void edit_digits(struct input *input, uint64_t *state)
{
	static const char *const numbers[] = { "0",
					       "-1",
					       "18446744073709551615",
					       "4096",
					       "9223372036854775808",
					       "0xffffffffffffffff" };
	const char *number = numbers[below(state, sizeof(numbers) / sizeof(numbers[0]))];
	size_t start = below(state, input->size), end;

	while (start < input->size && (input->data[start] < '0' || input->data[start] > '9'))
		start++;
	for (end = start; end < input->size && input->data[end] >= '0' && input->data[end] <= '9';)
		end++;
	remove_bytes(input, start, end - start);
	insert_bytes(input, start, strlen(number));
	if (start + strlen(number) <= input->size)
		memcpy(input->data + start, number, strlen(number));
}

static void edit_word(struct input *input, uint64_t *state)
{
	static const uint64_t words[] = { 0,	      1,	  0x7f,	     0x80,
					  0xff,	      0x7fff,	  0xffff,    0x7fffffff,
					  0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX };
	uint64_t word = words[below(state, sizeof(words) / sizeof(words[0]))];
	size_t width = (size_t)1 << below(state, 4), at;

	if (input->size < width)
		return;
	at = below(state, input->size - width + 1);
	for (size_t i = 0; i < width; i++)
		input->data[at + i] = (uint8_t)(word >> (8 * i));
}

// Puts a piece of another input in.
static void splice(struct input *input, const struct corpus *corpus, uint64_t *state)
{
	const struct input *other = &corpus->inputs[below(state, corpus->count)];
	size_t from = below(state, other->size), count = below(state, other->size - from + 1);
	size_t at = below(state, input->size + 1), before = input->size;

	insert_bytes(input, at, count);
	if (input->size != before)
		memcpy(input->data + at, other->data + from, count);
}

static void insert_random(struct input *input, uint64_t *state)
{
	size_t at = below(state, input->size + 1), count = below(state, 32) + 1;
	size_t before = input->size;

	insert_bytes(input, at, count);
	for (size_t i = 0; i < input->size - before; i++)
		input->data[at + i] = (uint8_t)next_random(state);
}

static void edit(struct input *input, const struct corpus *corpus, uint64_t *state)
{
	size_t at = below(state, input->size);

	switch (input->size ? below(state, 9) : 7) {
	case 0:
		input->data[at] ^= (uint8_t)(1u << below(state, 8));
		break;
	case 1:
		input->data[at] = (uint8_t)next_random(state);
		break;
	case 2:
		remove_bytes(input, at, below(state, input->size - at) + 1);
		break;
	case 3:
		insert_bytes(input, at, below(state, input->size - at) + 1);
		break;
	case 4:
		input->size = at;
		break;
	case 5:
		edit_word(input, state);
		break;
	case 6:
		splice(input, corpus, state);
		break;
	case 7:
		insert_random(input, state);
		break;
	default:
		edit_digits(input, state);
	}
}

// --- running ------------------------------------------------------------------------------------

static void run(const struct input *input, bool made)
{
	// A copy of the very size, so that a sanitizer sees each byte read beyond it.
	uint8_t *copy = malloc(input->size ? input->size : 1);

	if (!copy)
		die("out of memory", input->name);
	if (input->size)
		memcpy(copy, input->data, input->size);
	running_is_made = made;
	running = input;
	LLVMFuzzerTestOneInput(copy, input->size);
	running = NULL;
	free(copy);
}

static void run_made(const struct corpus *corpus, unsigned long count, uint64_t seed)
{
	uint64_t state = seed;
	char name[64];

	for (unsigned long i = 0; i < count; i++) {
		const struct input *from = &corpus->inputs[below(&state, corpus->count)];
		struct input input = { .name = name, .size = from->size };

		input.data = grow(NULL, from->size);
		memcpy(input.data, from->data, from->size);
		for (size_t edits = below(&state, 4) + 1; edits > 0; edits--)
			edit(&input, corpus, &state);
		snprintf(name, sizeof(name), "crash-%" PRIu64 "-%lu", seed, i);
		run(&input, true);
		free(input.data);
	}
}

static uint64_t number(const char *text)
{
	uint64_t value;

	if (!number_parse(text, 0, UINT64_MAX, &value))
		die("not a number", text);
	return value;
}

int main(int argc, char **argv)
{
	// A sanitizer reports the first three itself, and better.
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct corpus corpus = { 0 };
	unsigned long made = 0, seed = 0;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(report_crash);
	for (size_t i = __sanitizer_set_death_callback ? 3 : 0; i < 5; i++)
		signal(signals[i], on_signal);

	add_input(&corpus, "(empty)", grow(NULL, 0), 0);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-generate") == 0) {
			if (i + 2 >= argc)
				die("wants a count and a seed", argv[i]);
			made = number(argv[i + 1]);
			seed = number(argv[i + 2]);
			i += 2;
		} else {
			read_path(&corpus, argv[i]);
		}
	}

	for (size_t i = 0; i < corpus.count; i++)
		run(&corpus.inputs[i], false);
	run_made(&corpus, made, seed);
	printf("%zu inputs replayed, %lu made from seed %lu\n", corpus.count, made, seed);

	for (size_t i = 0; i < corpus.count; i++) {
		free(corpus.inputs[i].name);
		free(corpus.inputs[i].data);
	}
	free(corpus.inputs);
	return 0;
}
