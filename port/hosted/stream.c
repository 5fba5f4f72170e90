// SPDX-License-Identifier: BSD-2-Clause
/*
 * A stream over a file, for hibernation images: zstd-compressed, with a checksum over what stands on the disk.
 *
 *	offset 0   8 bytes   "RMAPZIMG"
 *	       8   4 bytes   version, 1
 *	      12   4 bytes   0
 *	      16   8 bytes   length of the payload
 *	      24   8 bytes   XXH64 of the payload, seed 0
 *	      32             payload: one zstd frame, with its own checksum of the contents
 *
 * Numbers are little-endian. The file is written beside its name and renamed when all of it is on the disk, so that a name never
 * stands for half an image. A reader hashes the whole file before it gives out a byte: one pass at the disk's speed, and a
 * damaged image is refused while there is nothing yet to take back.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#define HEADER_BYTES   32
#define STREAM_VERSION 1
#define LEVEL	       1
#define WORKING_COPY   ".partial"

static const char magic[8] = { 'R', 'M', 'A', 'P', 'Z', 'I', 'M', 'G' };

/* Used by one thread at a time. */
struct hosted_stream {
	struct mm_stream mm;
	FILE *file;
	char *path;    /* writing: the name it gets at close; NULL: none */
	char *working; /* writing: the name it has until then */
	bool writing;
	int error; /* the first one */
	ZSTD_CCtx *compress;
	ZSTD_DCtx *expand;
	XXH64_state_t *hash;
	uint64_t payload; /* bytes written */
	unsigned char *buffer;
	size_t room;
	size_t at, filled; /* reading: what of the buffer is left to expand */
	bool ended;	   /* reading: the frame is over */
};

static void put_le(unsigned char *p, uint64_t v, int bytes)
{
	int i;

	for (i = 0; i < bytes; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t get_le(const unsigned char *p, int bytes)
{
	uint64_t v = 0;
	int i;

	for (i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void stream_free(struct hosted_stream *s)
{
	if (s->file)
		fclose(s->file);
	ZSTD_freeCCtx(s->compress);
	ZSTD_freeDCtx(s->expand);
	XXH64_freeState(s->hash);
	free(s->buffer);
	free(s->path);
	free(s->working);
	free(s);
}

static int error_of_fopen(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return RMAP_ENOENT;
	case EACCES:
	case EPERM:
	case EROFS:
		return RMAP_EACCES;
	default:
		return RMAP_EIO;
	}
}

/* ---------------------------------------------------------------- writing */

/* => compresses len bytes, or ends the frame */
static int stream_feed(struct hosted_stream *s, const void *data, size_t len, ZSTD_EndDirective how)
{
	ZSTD_inBuffer in = { data, len, 0 };
	size_t left;

	do {
		ZSTD_outBuffer out = { s->buffer, s->room, 0 };

		left = ZSTD_compressStream2(s->compress, &out, &in, how);
		if (ZSTD_isError(left))
			return s->error = RMAP_ENOMEM;
		XXH64_update(s->hash, s->buffer, out.pos);
		s->payload += out.pos;
		if (fwrite(s->buffer, 1, out.pos, s->file) != out.pos)
			return s->error = errno == ENOSPC ? RMAP_ENOSPC : RMAP_EIO;
	} while (how == ZSTD_e_end ? left != 0 : in.pos < in.size);
	return 0;
}

static int stream_write(void *ctx, const void *data, uint64_t len)
{
	struct hosted_stream *s = ctx;

	return s->error ? s->error : stream_feed(s, data, len, ZSTD_e_continue);
}

static int stream_no_read(void *ctx, void *data, uint64_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
	return RMAP_EINVAL;
}

static char *joined(const char *a, const char *b)
{
	size_t room = strlen(a) + strlen(b) + 1;
	char *s = malloc(room);

	if (s)
		snprintf(s, room, "%s%s", a, b);
	return s;
}

static int create_prepare(struct hosted_stream *s, const char *path)
{
	s->writing = true;
	if (path) {
		s->path = joined(path, "");
		s->working = joined(path, WORKING_COPY);
		if (!s->path || !s->working)
			return RMAP_ENOMEM;
	}
	s->compress = ZSTD_createCCtx();
	s->hash = XXH64_createState();
	s->room = ZSTD_CStreamOutSize();
	s->buffer = malloc(s->room);
	if (!s->compress || !s->hash || !s->buffer)
		return RMAP_ENOMEM;
	XXH64_reset(s->hash, 0);
	ZSTD_CCtx_setParameter(s->compress, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(s->compress, ZSTD_c_checksumFlag, 1);
	s->mm = (struct mm_stream){ s, stream_write, stream_no_read };
	return 0;
}

/* A stream of our own over the caller's file, from its beginning. */
static FILE *file_again(int fd, const char *mode)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *file = own < 0 ? NULL : fdopen(own, mode);

	if (file)
		rewind(file);
	else if (own >= 0)
		close(own);
	return file;
}

/* path, or fd where that is NULL */
static int create(const char *path, int fd, struct hosted_stream **out, char *error)
{
	static const unsigned char nothing[HEADER_BYTES];
	struct hosted_stream *s = calloc(1, sizeof(*s));
	int r = s ? create_prepare(s, path) : RMAP_ENOMEM;

	if (r) {
		hosted_say(error, "Out of memory.");
	} else {
		s->file = path ? fopen(s->working, "wbe") : file_again(fd, "wb");
		if (s->file && fwrite(nothing, HEADER_BYTES, 1, s->file) == 1) {
			*out = s;
			return 0;
		}
		r = error_of_fopen(errno);
		hosted_say(error, "Cannot write %s: %s.", path ? s->working : "the image",
			   strerror(errno));
	}
	if (s)
		stream_free(s);
	return r;
}

int hosted_stream_create(const char *path, struct hosted_stream **out, char *error)
{
	return create(path, -1, out, error);
}

int hosted_stream_create_fd(int fd, struct hosted_stream **out, char *error)
{
	return create(NULL, fd, out, error);
}

static int write_header(struct hosted_stream *s)
{
	unsigned char header[HEADER_BYTES] = { 0 };

	memcpy(header, magic, sizeof(magic));
	put_le(header + 8, STREAM_VERSION, 4);
	put_le(header + 16, s->payload, 8);
	put_le(header + 24, XXH64_digest(s->hash), 8);
	if (fseeko(s->file, 0, SEEK_SET) || fwrite(header, sizeof(header), 1, s->file) != 1 ||
	    fflush(s->file) || fsync(fileno(s->file)))
		return errno == ENOSPC ? RMAP_ENOSPC : RMAP_EIO;
	return 0;
}

/* ---------------------------------------------------------------- reading */

/* => more to expand in the buffer; false: the file is over or cannot be read */
static bool stream_refill(struct hosted_stream *s)
{
	s->at = 0;
	s->filled = fread(s->buffer, 1, s->room, s->file);
	return s->filled != 0;
}

static int stream_read(void *ctx, void *data, uint64_t len)
{
	struct hosted_stream *s = ctx;
	ZSTD_outBuffer out = { data, len, 0 };

	while (!s->error && out.pos < out.size) {
		ZSTD_inBuffer in;
		size_t left, before = out.pos;

		if (s->ended || (s->at == s->filled && !stream_refill(s) && ferror(s->file))) {
			s->error = s->ended ? RMAP_EBADMSG : RMAP_EIO;
			break;
		}
		in = (ZSTD_inBuffer){ s->buffer, s->filled, s->at };
		left = ZSTD_decompressStream(s->expand, &out, &in);
		if (ZSTD_isError(left) || (in.pos == s->at && out.pos == before))
			s->error = RMAP_EBADMSG;
		s->at = in.pos;
		s->ended = left == 0;
	}
	return s->error;
}

static int stream_no_write(void *ctx, const void *data, uint64_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
	return RMAP_EINVAL;
}

/* => the header is ours and the payload has its checksum; the file stands at the payload */
static int verify(struct hosted_stream *s, const char *path, char *error)
{
	unsigned char header[HEADER_BYTES];
	uint64_t length = 0;
	size_t n;

	if (fread(header, 1, sizeof(header), s->file) != sizeof(header) ||
	    memcmp(header, magic, sizeof(magic)) != 0) {
		hosted_say(error, "%s is no image.", path);
		return RMAP_EBADMSG;
	}
	if (get_le(header + 8, 4) != STREAM_VERSION || get_le(header + 12, 4)) {
		hosted_say(error, "%s is an image of version %llu; this program reads %d.", path,
			   (unsigned long long)get_le(header + 8, 4), STREAM_VERSION);
		return RMAP_EBADMSG;
	}
	while ((n = fread(s->buffer, 1, s->room, s->file)) != 0) {
		XXH64_update(s->hash, s->buffer, n);
		length += n;
	}
	if (ferror(s->file) || fseeko(s->file, HEADER_BYTES, SEEK_SET)) {
		hosted_say(error, "Cannot read %s: %s.", path, strerror(errno));
		return RMAP_EIO;
	}
	if (length == get_le(header + 16, 8) && XXH64_digest(s->hash) == get_le(header + 24, 8))
		return 0;
	hosted_say(error, "%s is damaged: %s.", path,
		   length < get_le(header + 16, 8) ? "it ends early" : "its checksum is wrong");
	return RMAP_EBADMSG;
}

static int open_prepare(struct hosted_stream *s)
{
	s->expand = ZSTD_createDCtx();
	s->hash = XXH64_createState();
	s->room = ZSTD_DStreamInSize();
	s->buffer = malloc(s->room);
	if (!s->expand || !s->hash || !s->buffer)
		return RMAP_ENOMEM;
	XXH64_reset(s->hash, 0);
	s->mm = (struct mm_stream){ s, stream_no_write, stream_read };
	return 0;
}

/* By its name, or fd where that is NULL. */
static int open_either(const char *path, int fd, struct hosted_stream **out, char *error)
{
	const char *name = path ? path : "the image";
	struct hosted_stream *s = calloc(1, sizeof(*s));
	int r = s ? open_prepare(s) : RMAP_ENOMEM;
	struct stat st;

	if (r) {
		hosted_say(error, "Out of memory.");
	} else if (path && stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		r = RMAP_EBADMSG;
		hosted_say(error, "%s is no regular file.", path);
	} else if (!(s->file = path ? fopen(path, "rbe") : file_again(fd, "rb"))) {
		r = error_of_fopen(errno);
		hosted_say(error, "Cannot open %s: %s.", name, strerror(errno));
	} else {
		r = verify(s, name, error);
	}
	if (!r) {
		*out = s;
		return 0;
	}
	if (s)
		stream_free(s);
	return r;
}

int hosted_stream_open(const char *path, struct hosted_stream **out, char *error)
{
	return open_either(path, -1, out, error);
}

int hosted_stream_open_fd(int fd, struct hosted_stream **out, char *error)
{
	return open_either(NULL, fd, out, error);
}

const struct mm_stream *hosted_stream_mm(struct hosted_stream *stream)
{
	return &stream->mm;
}

int hosted_stream_close(struct hosted_stream *s, bool keep)
{
	int r = s->error;

	if (s->writing) {
		if (!r && keep)
			r = stream_feed(s, NULL, 0, ZSTD_e_end);
		if (!r && keep)
			r = write_header(s);
		if (fclose(s->file) && !r)
			r = RMAP_EIO;
		s->file = NULL;
		if (!r && keep && s->path && rename(s->working, s->path))
			r = RMAP_EIO;
		if (s->path && (r || !keep))
			unlink(s->working);
	}
	stream_free(s);
	return r;
}
