// SPDX-License-Identifier: MIT
/* Converts between values of JavaScript and of C. */
#include "node.h"

napi_value number_of(napi_env env, int64_t value) {
  napi_value result;
  return napi_create_int64(env, value, &result) == napi_ok ? result : NULL;
}

bool unsigned_of(napi_env env, napi_value value, uint64_t *into) {
  bool lossless;
  return napi_get_value_bigint_uint64(env, value, into, &lossless) == napi_ok;
}

napi_value fail(napi_env env, const char *message) {
  napi_throw_type_error(env, NULL, message);
  return NULL;
}

bool bytes_of(napi_env env, napi_value value, unsigned char **data, size_t *length) {
  bool is = false;
  void *start = NULL;
  *length = 0;
  if (napi_is_typedarray(env, value, &is) == napi_ok && is) {
    napi_typedarray_type type;
    size_t elements;
    if (napi_get_typedarray_info(env, value, &type, &elements, &start, NULL, NULL) != napi_ok) return false;
    static const unsigned char width[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    *length = elements * ((size_t)type < sizeof width ? width[type] : 1);
  } else if (napi_is_dataview(env, value, &is) == napi_ok && is) {
    if (napi_get_dataview_info(env, value, length, &start, NULL, NULL) != napi_ok) return false;
  } else if (napi_is_arraybuffer(env, value, &is) == napi_ok && is) {
    if (napi_get_arraybuffer_info(env, value, &start, length) != napi_ok) return false;
  } else {
    return false;
  }
  *data = start;
  return true;
}

bool register_of(napi_env env, napi_value value, long *result) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) != napi_ok) return false;
  switch (type) {
    case napi_undefined:
    case napi_null:
      *result = 0;
      return true;
    case napi_number: {
      double number;
      if (napi_get_value_double(env, value, &number) != napi_ok) return false;
      if (!(number >= -9007199254740991.0 && number <= 9007199254740991.0)) return false;
      *result = (long)number;
      return (double)*result == number;
    }
    case napi_bigint: {
      int64_t pattern;
      bool lossless;
      if (napi_get_value_bigint_int64(env, value, &pattern, &lossless) != napi_ok) return false;
      *result = (long)pattern;
      return true;
    }
    default: {
      unsigned char *data;
      size_t length;
      if (!bytes_of(env, value, &data, &length)) return false;
      *result = (long)data;
      return true;
    }
  }
}
