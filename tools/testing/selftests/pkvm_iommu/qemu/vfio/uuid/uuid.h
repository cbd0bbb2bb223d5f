/* SPDX-License-Identifier: GPL-2.0 */
/* All that selftests/vfio needs of libuuid, which would be one more download. */
#ifndef UUID_H
#define UUID_H

#include <stdio.h>
#include <string.h>

typedef unsigned char uuid_t[16];

/* "01234567-89ab-cdef-0123-456789abcdef" to bytes; 0 if it is one. */
static inline int uuid_parse(const char *text, uuid_t uuid)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	unsigned int byte;
	size_t i, n = 0;

	if (strlen(text) != sizeof(form) - 1)
		return -1;
	for (i = 0; form[i]; i++) {
		if (form[i] == '-') {
			if (text[i] != '-')
				return -1;
			continue;
		}
		if (strspn(text + i, "0123456789abcdefABCDEF") < 2 ||
		    sscanf(text + i, "%2x", &byte) != 1)
			return -1;
		uuid[n++] = byte;
		i++;
	}
	return 0;
}

#endif
