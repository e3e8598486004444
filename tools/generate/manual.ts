/**
 * The manual's names of arguments (section 2 of Linux man-pages 6.9.1), for "did you mean": the calls whose names
 * differ from the kernel's and from ours. In the kernel's order, one word per argument.
 */
const text = `
accept sockfd addr addrlen
accept4 sockfd addr addrlen flags
access pathname mode
acct filename
add_key type description payload plen keyring
adjtimex buf
arch_prctl op addr
bind sockfd addr addrlen
bpf cmd attr size
brk addr
capget hdrp datap
capset hdrp datap
chdir path
chmod pathname mode
chown pathname owner group
clock_adjtime clk_id buf
clock_getres clockid res
clock_gettime clockid tp
clock_nanosleep clockid flags t remain
clock_settime clockid tp
clone flags stack parent_tid child_tid tls
clone3 cl_args size
connect sockfd addr addrlen
delete_module name flags
dup oldfd
epoll_ctl epfd op fd event
eventfd2 initval flags
execve pathname argv envp
execveat dirfd pathname argv envp flags
fchown fd owner group
fchownat dirfd pathname owner group flags
fcntl fd op arg
finit_module fd param_values flags
flock fd op
futex uaddr futex_op val timeout uaddr2 val3
futimesat dirfd pathname times
get_mempolicy mode nodemask maxnode addr flags
getdents fd dirp count
getdents64 fd dirp count
getgroups size list
getitimer which curr_value
getpeername sockfd addr addrlen
getresgid rgid egid sgid
getresuid ruid euid suid
getrusage who usage
getsockname sockfd addr addrlen
getsockopt sockfd level optname optval optlen
io_destroy ctx_id
io_setup nr_events ctx_idp
ioctl fd request argp
kexec_file_load kernel_fd initrd_fd cmdline_len cmdline flags
keyctl operation arg2 arg3 arg4 arg5
lchown pathname owner group
listen sockfd backlog
lstat pathname statbuf
madvise addr length advice
mbind addr len mode nodemask maxnode flags
memfd_create name flags
mincore addr length vec
mkdirat dirfd pathname mode
mknod pathname mode dev
mlock addr len
mmap addr length prot flags fd offset
mount source target filesystemtype mountflags data
mprotect addr len prot
mq_getsetattr mqdes newattr oldattr
mq_notify mqdes sevp
mq_open name oflag mode attr
mq_timedsend mqdes msg_ptr msg_len msg_prio abs_timeout
mq_unlink name
mremap old_address old_size new_size flags new_address
msgctl msqid op buf
msync addr length flags
munlock addr len
munmap addr length
name_to_handle_at dirfd pathname handle mount_id flags
nanosleep duration rem
newfstatat dirfd pathname statbuf flags
open pathname flags mode
open_by_handle_at mount_fd handle flags
openat dirfd pathname flags mode
openat2 dirfd pathname how size
personality persona
pidfd_getfd pidfd targetfd flags
pipe pipefd
pipe2 pipefd flags
pkey_alloc flags access_rights
pkey_mprotect addr len prot pkey
poll fds nfds timeout
prctl op arg2 arg3 arg4 arg5
pread64 fd buf count offset
preadv fd iov iovcnt pos_l pos_h
preadv2 fd iov iovcnt pos_l pos_h flags
prlimit64 pid resource new_limit old_limit
process_vm_readv pid local_iov liovcnt remote_iov riovcnt flags
process_vm_writev pid local_iov liovcnt remote_iov riovcnt flags
pselect6 nfds readfds writefds exceptfds timeout sigmask
ptrace op pid addr data
pwrite64 fd buf count offset
pwritev fd iov iovcnt pos_l pos_h
pwritev2 fd iov iovcnt pos_l pos_h flags
quotactl op special id addr
readlink pathname buf bufsiz
readv fd iov iovcnt
reboot magic magic2 op arg
recvfrom sockfd buf len flags src_addr addrlen
recvmmsg sockfd msgvec vlen flags timeout
recvmsg sockfd msg flags
request_key type description callout_info dest_keyring
rt_sigaction signum act oldact sigsetsize
rt_sigpending set sigsetsize
rt_sigprocmask how set oldset sigsetsize
rt_sigqueueinfo tgid sig info
rt_sigsuspend mask sigsetsize
rt_sigtimedwait set info timeout sigsetsize
rt_tgsigqueueinfo tgid tid sig info
sched_getaffinity pid cpusetsize mask
sched_getattr pid attr size flags
sched_rr_get_interval pid tp
sched_setaffinity pid cpusetsize mask
sched_setattr pid attr flags
seccomp operation flags args
select nfds readfds writefds exceptfds timeout
semop semid sops nsops
semtimedop semid sops nsops timeout
sendmmsg sockfd msgvec vlen flags
sendmsg sockfd msg flags
sendto sockfd buf len flags dest_addr addrlen
set_mempolicy mode nodemask maxnode
setfsgid fsgid
setfsuid fsuid
setgroups size list
setitimer which new_value old_value
setns fd nstype
setpriority which who prio
setsockopt sockfd level optname optval optlen
shmctl shmid op buf
shutdown sockfd how
sigaltstack ss old_ss
signalfd4 fd mask sizemask flags
socket domain type protocol
socketpair domain type protocol sv
stat pathname statbuf
statx dirfd pathname flags mask statxbuf
swapoff path
swapon path swapflags
symlink target linkpath
syslog type bufp len
tgkill tgid tid sig
timer_create clockid sevp timerid
timer_delete timerid
timer_getoverrun timerid
timer_gettime timerid curr_value
timer_settime timerid flags new_value old_value
timerfd_gettime fd curr_value
timerfd_settime fd flags new_value old_value
times buf
tkill tid sig
truncate path length
umount2 target flags
uname buf
unlinkat dirfd pathname flags
utimensat dirfd pathname times flags
utimes filename times
vmsplice fd iov nr_segs flags
wait4 pid wstatus options rusage
waitid idtype id infop options rusage
writev fd iov iovcnt`;

export const manualNames: { readonly [call: string]: readonly string[] } = Object.fromEntries(
  text
    .trim()
    .split("\n")
    .map((line) => {
      const [call = "", ...names] = line.split(" ");
      return [call, names];
    }),
);
