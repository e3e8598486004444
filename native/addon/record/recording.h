/* SPDX-License-Identifier: MIT */
/* The steps of a recording that are too frequent for JavaScript. */
#ifndef RECORDING_H
#define RECORDING_H

#include <node_api.h>

/* Exports `answerCalls` (recording.c). */
void export_recording(napi_env env, napi_value exports);
/* Exports `printLines` (lines.c). */
void export_lines(napi_env env, napi_value exports);

#endif
