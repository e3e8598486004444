// SPDX-License-Identifier: GPL-2.0-only
/*
 * The init process of the test machine (kernel/vm). The root is the host's file system, read-only, over 9p. This
 * program mounts a writable overlay in memory and the usual virtual file systems, runs the one command that the host
 * requests over a virtio port, and sends back its output and wait status.
 *
 * Frames on the port, in both directions: a type (1 byte), the length of the payload (4 bytes, little endian), the
 * payload.
 *   host to guest: 'R' the request, strings "name=value" that each end in NUL (see struct request)
 *                  'I' bytes for standard input; 'E' its end
 *                  'T' describe the tasks: the command has not ended in time
 *   guest to host: 'b' the begin: the request has been read
 *                  'o', 'e' bytes of standard output and error
 *                  't' the description of the tasks
 *                  'x' the end: wait status (4 bytes), /proc/sys/kernel/tainted (8 bytes)
 *                  'f' a message why the command could not be started
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <linux/membarrier.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int port = -1;

struct request {
	const char *cwd;
	uid_t uid;
	gid_t gid;
	char **argv, **envp;
	int argc, envc;
};

static void write_all(int fd, const void *data, size_t size)
{
	const char *from = data;

	while (size > 0) {
		ssize_t n = write(fd, from, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the host has exited: POLLHUP follows */
		from += n;
		size -= n;
	}
}

static void send_frame(char type, const void *data, uint32_t size)
{
	char head[5] = { type, size, size >> 8, size >> 16, size >> 24 };

	write_all(port, head, sizeof(head));
	write_all(port, data, size);
}

static _Noreturn void power_off(void)
{
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* The host ends the machine after the last frame; if the host has exited, the machine powers itself off. */
static _Noreturn void await_end(void)
{
	struct pollfd wait = { .fd = port, .events = 0 };

	poll(&wait, 1, 10000);
	power_off();
}

static _Noreturn __attribute__((format(printf, 1, 2))) void die(const char *format, ...)
{
	char text[512];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (length >= (int)sizeof(text))
		length = sizeof(text) - 1;
	if (port >= 0) {
		send_frame('f', text, length);
		await_end();
	}
	/* Only the console is left; the host shows it. */
	dprintf(2, "vm-init: %s\n", text);
	power_off();
}

static void must_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	if (mount(source, target, type, flags, data))
		die("mounting %s on %s: %s", type ? type : source, target, strerror(errno));
}

/* For file systems that are optional in a kernel. */
static void may_mount(const char *target, const char *type, const char *data)
{
	mkdir(target, 0755);
	mount(type, target, type, MS_NOSUID | MS_NODEV | MS_NOEXEC, data);
}

static void lay_out_files(void)
{
	/* The root itself is read-only, so the layer is mounted over a directory that every system has. */
	must_mount("layer", "/tmp", "tmpfs", 0, "mode=0700");
	if (mkdir("/tmp/upper", 0755) || mkdir("/tmp/work", 0755) || mkdir("/tmp/root", 0755))
		die("making the writable layer: %s", strerror(errno));
	must_mount("overlay", "/tmp/root", "overlay", 0, "lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work");
	if (chdir("/tmp/root"))
		die("entering the new root: %s", strerror(errno));
	must_mount("dev", "dev", "devtmpfs", 0, NULL);
	/*
	 * Move the mount over the old root, as switch_root(8) does. A process whose root is not the root of its mount
	 * namespace may not create a user namespace (current_chrooted() in kernel/user_namespace.c).
	 */
	must_mount(".", "/", NULL, MS_MOVE, NULL);
	if (chroot(".") || chdir("/"))
		die("changing to the new root: %s", strerror(errno));
	must_mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	must_mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	must_mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
	mkdir("/dev/pts", 0755);
	must_mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666");
	/* Replace the device node of devtmpfs by a link to the one of this devpts. */
	unlink("/dev/ptmx");
	if (symlink("pts/ptmx", "/dev/ptmx") || symlink("/proc/self/fd", "/dev/fd") ||
	    symlink("/proc/self/fd/0", "/dev/stdin") || symlink("/proc/self/fd/1", "/dev/stdout") ||
	    symlink("/proc/self/fd/2", "/dev/stderr"))
		die("linking in /dev: %s", strerror(errno));
	mkdir("/dev/shm", 0755);
	must_mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	may_mount("/sys/fs/cgroup", "cgroup2", NULL);
	may_mount("/sys/fs/bpf", "bpf", "mode=0700");
	may_mount("/sys/kernel/tracing", "tracefs", NULL);
	may_mount("/sys/kernel/debug", "debugfs", NULL);
	may_mount("/sys/kernel/security", "securityfs", NULL);
}

static void raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return; /* a kernel without networking */
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		die("the loopback interface: %s", strerror(errno));
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		die("raising the loopback interface: %s", strerror(errno));
	close(fd);
}

/*
 * Makes each directory of the path searchable for the command's user, because root's home has mode 0700. The modes
 * change only in the overlay in memory.
 */
static void make_reachable(char *path)
{
	for (char *end = path + 1;; end++) {
		char was = *end;
		struct stat status;

		if (was && was != '/')
			continue;
		*end = '\0';
		if (!stat(path, &status) && S_ISDIR(status.st_mode) && (status.st_mode & 0011) != 0011 &&
		    chmod(path, (status.st_mode & 07777) | 0011))
			die("making %s searchable: %s", path, strerror(errno));
		*end = was;
		if (!was)
			return;
	}
}

/* Opens the machine's virtio port, which its driver creates shortly after this process starts. */
static void open_port(void)
{
	for (int turn = 0; turn < 60000; turn++) {
		glob_t found;

		if (glob("/dev/vport*", 0, NULL, &found) == 0) {
			port = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
			if (port < 0)
				die("%s: %s", found.gl_pathv[0], strerror(errno));
			globfree(&found);
			return;
		}
		usleep(1000);
	}
	die("no port to the host: is CONFIG_VIRTIO_CONSOLE on?");
}

static void read_all(void *data, size_t size)
{
	char *into = data;

	while (size > 0) {
		ssize_t n = read(port, into, size);

		if (n < 0 && errno != EINTR)
			die("reading from the host: %s", strerror(errno));
		/* 0 before the host's end is connected and after it is closed. */
		if (n == 0)
			usleep(1000);
		if (n > 0) {
			into += n;
			size -= n;
		}
	}
}

static uint32_t read_head(char *type)
{
	uint8_t head[5];

	read_all(head, sizeof(head));
	*type = head[0];
	return head[1] | head[2] << 8 | head[3] << 16 | (uint32_t)head[4] << 24;
}

/* Sets "name=value" or fails; with `optional`, it ignores a name that this kernel lacks. */
static void set_sysctl(char *assignment, int optional)
{
	char path[256], *value;
	int fd;

	if (!assignment)
		die("--sysctl: %s", strerror(errno));
	value = strchr(assignment, '=');
	if (!value)
		die("--sysctl %s: expected NAME=VALUE", assignment);
	*value++ = 0;
	snprintf(path, sizeof(path), "/proc/sys/%s", assignment);
	for (char *dot = path + strlen("/proc/sys/"); *dot; dot++)
		if (*dot == '.')
			*dot = '/';
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && optional)
		return;
	if (fd < 0)
		die("sysctl %s: %s", assignment, strerror(errno));
	if (write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		die("sysctl %s=%s: %s", assignment, value, strerror(errno));
	close(fd);
}

static void read_request(struct request *request)
{
	char type, *text, *end;
	uint32_t size = read_head(&type);

	if (type != 'R')
		die("expected a request, the host sent '%c'", type);
	text = malloc(size + 1);
	request->argv = calloc(size + 1, sizeof(char *));
	request->envp = calloc(size + 1, sizeof(char *));
	if (!text || !request->argv || !request->envp)
		die("no memory for a request of %u bytes", size);
	read_all(text, size);
	text[size] = 0;
	end = text + size;
	for (; text < end; text += strlen(text) + 1) {
		char *value = strchr(text, '=');

		if (!value)
			die("invalid request: %s", text);
		value++;
		/* set_sysctl() modifies its argument, but the loop needs the original text. */
		if (!strncmp(text, "arg=", 4))
			request->argv[request->argc++] = value;
		else if (!strncmp(text, "env=", 4))
			request->envp[request->envc++] = value;
		else if (!strncmp(text, "cwd=", 4))
			request->cwd = value;
		else if (!strncmp(text, "reachable=/", 11))
			make_reachable(value);
		else if (!strncmp(text, "uid=", 4))
			request->uid = strtoul(value, NULL, 10);
		else if (!strncmp(text, "gid=", 4))
			request->gid = strtoul(value, NULL, 10);
		else if (!strncmp(text, "sysctl=", 7))
			set_sysctl(strdup(value), 0);
		else if (!strncmp(text, "default-sysctl=", 15))
			set_sysctl(strdup(value), 1);
		else
			die("invalid request: %s", text);
	}
	if (request->argc == 0)
		die("no command");
}

static _Noreturn void run(const struct request *request, int in, int out, int err)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(125);
	if (setgroups(0, NULL) || setresgid(request->gid, request->gid, request->gid) ||
	    setresuid(request->uid, request->uid, request->uid)) {
		dprintf(2, "vm: becoming user %u: %s\n", request->uid, strerror(errno));
		_exit(125);
	}
	if (chdir(request->cwd)) {
		dprintf(2, "vm: %s: %s\n", request->cwd, strerror(errno));
		_exit(125);
	}
	environ = request->envp;
	execvp(request->argv[0], request->argv);
	/* The exit statuses of a shell. */
	dprintf(2, "vm: %s: %s\n", request->argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Sends the available bytes of a pipe. Returns 0 once every writer has closed it. */
static int forward(int pipe, char type)
{
	static char buffer[65536];
	ssize_t n = read(pipe, buffer, sizeof(buffer));

	if (n > 0)
		send_frame(type, buffer, n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* The command's standard input from the host. The pipe does not block; unwritten bytes are buffered. */
struct input {
	int pipe; /* -1 once closed */
	char *data;
	uint32_t size, sent;
	int ends;
};

static void feed(struct input *input)
{
	while (input->pipe >= 0 && input->sent < input->size) {
		ssize_t n = write(input->pipe, input->data + input->sent, input->size - input->sent);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno != EINTR) {
			close(input->pipe);
			input->pipe = -1;
		}
		if (n > 0)
			input->sent += n;
	}
	free(input->data);
	input->data = NULL;
	input->size = input->sent = 0;
	if (input->ends && input->pipe >= 0) {
		close(input->pipe);
		input->pipe = -1;
	}
}

static size_t append_file(char *text, size_t size, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size);

	if (fd >= 0)
		close(fd);
	return n < 0 ? 0 : n;
}

/* Prints the status line, the system call and the kernel stack of each task; of kernel threads only while they sleep in D. */
static void describe_tasks(void)
{
	static char text[65536];
	glob_t found;

	if (glob("/proc/[0-9]*/task/[0-9]*", 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			static const char *const files[] = { "stat", "syscall", "stack" };
			char path[128], link;
			const char *state;
			size_t size = 0;

			for (int k = 0; k < 3; k++) {
				snprintf(path, sizeof(path), "%s/%s", found.gl_pathv[i], files[k]);
				size += append_file(text + size, sizeof(text) - size - 1, path);
			}
			text[size] = '\0';
			snprintf(path, sizeof(path), "%s/exe", found.gl_pathv[i]);
			state = strstr(text, ") ");
			if (readlink(path, &link, 1) > 0 || (state && state[2] == 'D'))
				send_frame('t', text, size);
		}
		globfree(&found);
	}
	send_frame('t', "", 0);
}

static void receive(struct input *input)
{
	char type;
	uint32_t size = read_head(&type);

	if (type == 'T') {
		describe_tasks();
	} else if (type == 'E') {
		input->ends = 1;
	} else if (type == 'I') {
		input->data = malloc(size + 1);
		if (!input->data)
			die("no memory for input of %u bytes", size);
		read_all(input->data, size);
		input->size = size;
	} else {
		die("the host sent '%c' while the command ran", type);
	}
	feed(input);
}

/* Reaps ended children, and notes the wait status of the command. Returns whether children are left. */
static int reap(pid_t command, int *status)
{
	int one;
	pid_t pid;

	while ((pid = waitpid(-1, &one, WNOHANG)) > 0)
		if (pid == command)
			*status = one;
	return pid == 0;
}

static int serve(pid_t command, int signals, struct input *input, int out, int err)
{
	const int runs = -1; /* no wait status */
	int status = runs;

	for (;;) {
		struct pollfd wait[] = {
			{ .fd = signals, .events = POLLIN },
			{ .fd = out, .events = POLLIN },
			{ .fd = err, .events = POLLIN },
			/* Input is read only when the buffer is empty. */
			{ .fd = port, .events = input->size ? 0 : POLLIN },
			{ .fd = input->size ? input->pipe : -1, .events = POLLOUT },
		};

		if (poll(wait, 5, -1) < 0 && errno != EINTR)
			die("poll: %s", strerror(errno));
		if (wait[3].revents & (POLLHUP | POLLERR))
			power_off();
		if (wait[1].revents && !forward(out, 'o'))
			out = -1;
		if (wait[2].revents && !forward(err, 'e'))
			err = -1;
		if (wait[3].revents & POLLIN)
			receive(input);
		if (wait[4].revents)
			feed(input);
		if (wait[0].revents) {
			struct signalfd_siginfo ignored;

			if (read(signals, &ignored, sizeof(ignored)) <= 0)
				continue;
			if (!reap(command, &status))
				break;
			/* Kill the processes that the command left, so that the pipes have no writers. */
			if (status != runs)
				kill(-1, SIGKILL);
		}
	}
	while (out >= 0 && forward(out, 'o'))
		;
	while (err >= 0 && forward(err, 'e'))
		;
	return status;
}

static uint64_t tainted(void)
{
	uint64_t taint = 0;
	FILE *file = fopen("/proc/sys/kernel/tainted", "re");

	/*
	 * The kernel frees many objects after a grace period, and BPF programs and maps by a worker after that. Wait for
	 * their warnings before the response.
	 */
	for (int turn = 0; turn < 2; turn++) {
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		usleep(10000);
	}
	if (!file || fscanf(file, "%lu", &taint) != 1)
		die("reading /proc/sys/kernel/tainted: %s", strerror(errno));
	fclose(file);
	return taint;
}

int main(void)
{
	struct request request = { .cwd = "/" };
	struct rlimit files = { .rlim_cur = 1024, .rlim_max = 524288 };
	int in[2], out[2], err[2], signals, status;
	struct input input = { 0 };
	sigset_t child;
	char end[12];
	uint64_t taint;
	pid_t command;

	umask(022);
	signal(SIGPIPE, SIG_IGN);
	lay_out_files();
	open_port();
	raise_loopback();
	sethostname("machine", strlen("machine"));
	setrlimit(RLIMIT_NOFILE, &files);
	read_request(&request);
	send_frame('b', "", 0);

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipes: %s", strerror(errno));
	/* The command's user must be able to reopen /dev/stdout. */
	if (fchown(in[0], request.uid, request.gid) || fchown(out[1], request.uid, request.gid) ||
	    fchown(err[1], request.uid, request.gid))
		die("giving the pipes to user %u: %s", request.uid, strerror(errno));
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signals = signalfd(-1, &child, SFD_CLOEXEC);
	if (signals < 0)
		die("signalfd: %s", strerror(errno));

	command = fork();
	if (command < 0)
		die("fork: %s", strerror(errno));
	if (command == 0)
		run(&request, in[0], out[1], err[1]);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	input.pipe = in[1];
	status = serve(command, signals, &input, out[0], err[0]);
	taint = tainted();

	memcpy(end, &status, 4);
	memcpy(end + 4, &taint, 8);
	send_frame('x', end, sizeof(end));
	await_end();
}
