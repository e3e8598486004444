// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads and writes the image of the filters of a tree. One description of the format serves both, so that they cannot
 * differ. Numbers are those of the machine, as in CRIU's images of memory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plugin.h"

#define IMAGE	"seccomp-ebpf.img"
#define MAGIC	0x46424350 /* "PCBF" */
#define VERSION 2
/* No array of an image is longer, in bytes. */
#define MAX_ARRAY (64 << 20)

struct stream {
	FILE *file;
	bool reads;
	bool failed;
	/* FNV-1a of all bytes: what is damaged must not become a weaker filter. */
	__u64 sum;
};

void *allocate(size_t cnt, size_t size)
{
	void *memory = calloc(cnt ?: 1, size ?: 1);

	if (!memory) {
		say_error("no memory");
		abort();
	}
	return memory;
}

void *append_to(void **array, __u32 *cnt, size_t size)
{
	char *grown = reallocarray(*array, *cnt + 1, size);

	if (!grown) {
		say_error("no memory");
		abort();
	}
	*array = grown;
	grown += size * (*cnt)++;
	memset(grown, 0, size);
	return grown;
}

struct filter *find_filter(const struct tree *tree, __u64 id)
{
	__u32 i;

	for (i = 0; i < tree->filter_cnt; i++)
		if (tree->filters[i].id == id)
			return &tree->filters[i];
	return NULL;
}

static void transfer(struct stream *stream, void *data, size_t size)
{
	if (stream->failed || !size)
		return;
	if (stream->reads)
		stream->failed = fread(data, size, 1, stream->file) != 1;
	else
		stream->failed = fwrite(data, size, 1, stream->file) != 1;
	for (__u8 *byte = data; !stream->failed && byte < (__u8 *)data + size; byte++)
		stream->sum = (stream->sum ^ *byte) * 0x100000001b3;
}

#define ITEM(stream, item) transfer(stream, &(item), sizeof(item))

/* The elements of an array and their number. */
static void transfer_array(struct stream *stream, void **array, __u32 *cnt, size_t size)
{
	ITEM(stream, *cnt);
	if (stream->failed || *cnt > MAX_ARRAY / size) {
		stream->failed = true;
		*cnt = 0;
		return;
	}
	if (stream->reads)
		*array = allocate(*cnt, size);
	transfer(stream, *array, *cnt * size);
}

#define ARRAY(stream, array, cnt) transfer_array(stream, (void **)&(array), &(cnt), sizeof(*(array)))

/* Only the number: what the elements point to comes with each of them. */
#define EACH(stream, array, cnt, transfer_one)                                                                         \
	do {                                                                                                           \
		ITEM(stream, cnt);                                                                                     \
		if ((stream)->failed || (cnt) > MAX_ARRAY / sizeof(*(array))) {                                        \
			(stream)->failed = true;                                                                       \
			(cnt) = 0;                                                                                     \
		}                                                                                                      \
		if ((stream)->reads)                                                                                   \
			(array) = allocate(cnt, sizeof(*(array)));                                                     \
		for (__u32 each = 0; each < (cnt) && !(stream)->failed; each++)                                        \
			transfer_one(stream, &(array)[each]);                                                          \
	} while (0)

static void transfer_map(struct stream *stream, struct map *map)
{
	__u32 bytes;

	ITEM(stream, map->type);
	ITEM(stream, map->key_size);
	ITEM(stream, map->value_size);
	ITEM(stream, map->max_entries);
	ITEM(stream, map->flags);
	ITEM(stream, map->extra);
	ITEM(stream, map->name);
	ITEM(stream, map->frozen);
	ITEM(stream, map->key_type);
	ITEM(stream, map->value_type);
	ARRAY(stream, map->btf, map->btf_cnt);
	ITEM(stream, map->element_cnt);
	bytes = map->element_cnt * (map->key_size + map->value_size);
	ARRAY(stream, map->elements, bytes);
	if (bytes != (__u64)map->element_cnt * ((__u64)map->key_size + map->value_size))
		stream->failed = true;
}

static void transfer_prog(struct stream *stream, struct prog *prog)
{
	ITEM(stream, prog->name);
	ITEM(stream, prog->gpl);
	ITEM(stream, prog->uid);
	ARRAY(stream, prog->insns, prog->insn_cnt);
	ARRAY(stream, prog->kfuncs, prog->kfunc_cnt);
	ARRAY(stream, prog->maps, prog->map_cnt);
}

static void transfer_object(struct stream *stream, struct object *object)
{
	ITEM(stream, object->filter);
	ITEM(stream, object->index);
	ARRAY(stream, object->data, object->size);
}

static void transfer_filter(struct stream *stream, struct filter *filter)
{
	ITEM(stream, filter->id);
	ITEM(stream, filter->older);
	ITEM(stream, filter->flags);
	ARRAY(stream, filter->classic, filter->classic_cnt);
	ITEM(stream, filter->ebpf_flags);
	ITEM(stream, filter->in_pid_ns);
	ITEM(stream, filter->in_user_ns);
	ARRAY(stream, filter->states, filter->state_cnt);
	ARRAY(stream, filter->args, filter->arg_cnt);
	ARRAY(stream, filter->rooms, filter->room_cnt);
	EACH(stream, filter->maps, filter->map_cnt, transfer_map);
	EACH(stream, filter->progs, filter->prog_cnt, transfer_prog);
	EACH(stream, filter->objects, filter->object_cnt, transfer_object);
}

static void transfer_thread(struct stream *stream, struct thread *thread)
{
	ITEM(stream, thread->tid);
	ITEM(stream, thread->filter);
	EACH(stream, thread->objects, thread->object_cnt, transfer_object);
}

static void transfer_tree(struct stream *stream, struct tree *tree)
{
	__u32 magic = MAGIC, version = VERSION;
	__u64 sum, computed;

	ITEM(stream, magic);
	ITEM(stream, version);
	if (magic != MAGIC || version != VERSION)
		stream->failed = true;
	EACH(stream, tree->filters, tree->filter_cnt, transfer_filter);
	EACH(stream, tree->threads, tree->thread_cnt, transfer_thread);
	computed = stream->sum;
	sum = computed;
	ITEM(stream, sum);
	if (sum != computed)
		stream->failed = true;
}

int write_image(int folder, const struct tree *tree)
{
	struct stream stream = {};
	int fd = openat(folder, IMAGE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd >= 0)
		stream.file = fdopen(fd, "w");
	if (!stream.file) {
		say_errno("cannot create " IMAGE);
		return -1;
	}
	transfer_tree(&stream, (struct tree *)tree);
	if (fclose(stream.file) || stream.failed) {
		say_errno("cannot write " IMAGE);
		return -1;
	}
	return 0;
}

int remove_image(int folder)
{
	return unlinkat(folder, IMAGE, 0) && errno != ENOENT ? -1 : 0;
}

bool image_exists(int folder)
{
	return !faccessat(folder, IMAGE, F_OK, 0) || errno != ENOENT;
}

/* Does each index refer to something? What the kernel checks is not checked here. */
static bool is_sound(const struct tree *tree)
{
	const struct filter *filter;
	__u32 i, k, m;

	for (filter = tree->filters; filter < tree->filters + tree->filter_cnt; filter++) {
		const struct filter *older = find_filter(tree, filter->older);

		if (!filter->id || find_filter(tree, filter->id) != filter)
			return false;
		if (filter->older && (!older || older >= filter))
			return false;
		if (!(filter->flags & SECCOMP_FILTER_FLAG_EXTENDED) != !filter->prog_cnt)
			return false;
		for (i = 0; i < filter->prog_cnt; i++) {
			const struct prog *prog = &filter->progs[i];

			for (m = 0; m < prog->map_cnt; m++)
				if (prog->maps[m] >= filter->map_cnt)
					return false;
			for (k = 0; k < prog->kfunc_cnt; k++)
				if (prog->kfuncs[k].insn >= prog->insn_cnt ||
				    !memchr(prog->kfuncs[k].name, '\0', sizeof(prog->kfuncs[k].name)))
					return false;
		}
		for (m = 0; m < filter->map_cnt; m++)
			if (filter->maps[m].type == BPF_MAP_TYPE_PROG_ARRAY &&
			    (filter->maps[m].key_size != sizeof(__u32) || filter->maps[m].value_size != sizeof(__u32)))
				return false;
	}
	for (i = 0; i < tree->thread_cnt; i++) {
		if (!find_filter(tree, tree->threads[i].filter))
			return false;
		for (k = 0; k < tree->threads[i].object_cnt; k++)
			if (!find_filter(tree, tree->threads[i].objects[k].filter))
				return false;
	}
	return true;
}

int read_image(int folder, struct tree *tree)
{
	struct stream stream = { .reads = true };
	int fd = openat(folder, IMAGE, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		stream.file = fdopen(fd, "r");
	if (!stream.file) {
		say_errno("cannot open " IMAGE);
		return -1;
	}
	memset(tree, 0, sizeof(*tree));
	transfer_tree(&stream, tree);
	if (!stream.failed && fgetc(stream.file) != EOF)
		stream.failed = true;
	fclose(stream.file);
	if (stream.failed || !is_sound(tree)) {
		say_error(IMAGE " is damaged, or of another version");
		return -1;
	}
	return 0;
}
