/* SPDX-License-Identifier: MIT */
/* The media type of a file, by the end of its name; "application/octet-stream" where it tells nothing. */
#ifndef CLIENT_TYPES_H
#define CLIENT_TYPES_H

const char *types_by_name(const char *name);

#endif
