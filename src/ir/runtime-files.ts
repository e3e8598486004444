/**
 * The files that ordinary programs of a distribution open before they do their own work: libraries, the dynamic linker,
 * the C library's configuration, certificates, time zones, terminals, and the kernel's own files. `files.runtime` of a
 * policy adds them to the lists that the policy has. test/live/object-layers.test.ts runs programs with these lists alone.
 */
import type { FileList } from "./objects.ts";

export const runtimeFiles: { readonly [List in FileList]?: readonly string[] } = {
  read: [
    "/usr",
    // Links to directories of /usr, or directories of their own.
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    // NixOS and Guix have all programs there.
    "/nix/store",
    "/gnu/store",
    // The dynamic linker and the C library.
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/ld-musl-x86_64.path",
    "/etc/ld-musl-aarch64.path",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/locale.conf",
    "/etc/locale.alias",
    "/etc/default/locale",
    // Names of users, hosts and services.
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/run/systemd/resolve",
    "/run/resolvconf",
    // Certificates, and the configuration of TLS libraries.
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    // Terminals, shells and interpreters.
    "/etc/terminfo",
    "/etc/inputrc",
    "/etc/profile",
    "/etc/profile.d",
    "/etc/bash.bashrc",
    "/etc/alternatives",
    "/etc/mime.types",
    "/etc/magic",
    "/etc/os-release",
    "/etc/debian_version",
    "/etc/java",
    "/etc/perl",
    "/etc/python3",
    // /proc/self is a link to another directory in each process. Files that ptrace(2) protects need more than this right.
    "/proc",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
  ],
  write: ["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts"],
  // The kernel starts the interpreter of an ELF file with this right, too.
  execute: [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux.so.2",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
  ],
  ioctl: ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts"],
};
