/* SPDX-License-Identifier: MIT */
/* Functions of Node-API: JavaScript's values, the tree that JavaScript works on, and what the addon exports. */
#ifndef NODE_H
#define NODE_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct executor;
struct loop;
struct seccomp_notif;
struct step;
struct texts;

/* ── Values (values.c) ───────────────────────────────────────────────────────────────────────────────────────────── */

napi_value number_of(napi_env env, int64_t value);
/* The low 64 bits of a bigint. */
bool unsigned_of(napi_env env, napi_value value, uint64_t *into);
/* Throws a TypeError with this message. */
napi_value fail(napi_env env, const char *message);
/* A register of a system call: an integer, a bigint modulo 2^64, null for 0, or a buffer's address. */
bool register_of(napi_env env, napi_value value, long *result);
/* The bytes of a typed array, a DataView or an ArrayBuffer. A backing store never moves while its object is alive. */
bool bytes_of(napi_env env, napi_value value, unsigned char **data, size_t *length);
/* A copy of the notification in the value's bytes, which must not change during the call (pin_node.c). */
bool notification_of(napi_env env, napi_value value, struct seccomp_notif *into);
/* The three booleans of `next` (loop_node.c). */
bool step_of(napi_env env, const napi_value *arguments, struct step *step);

/* ── The tree that JavaScript works on (environment.c) ───────────────────────────────────────────────────────────── */

/* Its loop; NULL if Node has no memory. */
struct loop *loop_of(napi_env env);
/* Runs the function in the thread that traces and waits for that tree. */
void run_in_loop(napi_env env, void (*function)(void *data), void *data);
/*
 * The same without waiting for it, in the thread `by`, or in that of the tree: -EINPROGRESS, and `endStep` returns the result
 * (trees.c). `order` is copied; it has at most MOST_ORDER bytes. Where the tree has no thread, the function has run, and this is
 * its result.
 */
enum { MOST_ORDER = 256 };
int begin_work(napi_env env, struct executor *by, int (*work)(void *order), void *order, size_t size);
/* Drop a tree's references. */
void end_loop(napi_env env, struct loop *self);
void end_texts(napi_env env, struct texts *self);

/* ── Exports ─────────────────────────────────────────────────────────────────────────────────────────────────────── */

/* A function that JavaScript calls by this name, for napi_define_properties. */
#define METHOD(name, function) {.utf8name = name, .method = function, .attributes = napi_enumerable}

/* False if Node has no memory. It comes first (trees.c). */
bool start_environment(napi_env env);
/* The functions of loop.h. */
void export_loop(napi_env env, napi_value exports);
/* The functions of trees.c. */
void export_trees(napi_env env, napi_value exports);
/* The functions of pin.h. */
void export_pins(napi_env env, napi_value exports);
/* The functions of kept.h, without that which starts. */
void export_kept(napi_env env, napi_value exports);
/* The functions of objects.h. */
void export_objects(napi_env env, napi_value exports);
/* The functions of tracers.c. */
void export_tracers(napi_env env, napi_value exports);
/* The function of readiness.c. */
void export_readiness(napi_env env, napi_value exports);
/* The functions of text_filter.h. */
void export_texts(napi_env env, napi_value exports);

#endif
