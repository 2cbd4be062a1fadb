import { byShell, python, type Attack } from "./attack.ts";

/** Out of the container by the kernel. */
export const kernelAttacks: Attack[] = [
  byShell(
    "mount a file system",
    [
      "for o in '-t tmpfs none /app' '-t proc none /tmp' '--bind / /tmp' '-o remount,rw /usr' '-t cgroup2 none /tmp' '-t overlay none /tmp'; do",
      'mount $o 2>/dev/null && echo "EFFECT:mount $o"; done; umount /app 2>/dev/null && echo EFFECT:umount',
    ].join(" "),
  ),
  byShell(
    "a user namespace, to be root in",
    [
      "for o in -Ur -rm -rp -rn -rC -ru -ri; do unshare $o true 2>/dev/null && echo EFFECT:unshare $o; done",
      python(`attempt("clone newuser", lambda: call((56, 220), 0x10000000 | 17, 0, 0, 0, 0))
attempt("clone3", lambda: call((435, 435), ctypes.byref(ctypes.create_string_buffer(88)), 88))
attempt("unshare", lambda: call((272, 97), 0x10000000))
attempt("setns", lambda: call((308, 268), os.open("/proc/1/ns/mnt", 0), 0))`),
    ].join("; "),
  ),
  byShell(
    "chroot and pivot_root",
    [
      "mkdir -p r/old; chroot r true 2>/dev/null && echo EFFECT:chroot; chroot / true 2>/dev/null && echo EFFECT:chroot",
      python(`attempt("pivot", lambda: call((155, 41), b"r", b"r/old"))
attempt("chroot", lambda: libc.chroot(b"/proc/1/root"))`),
      "rm -rf r",
    ].join("; "),
  ),
  byShell(
    "enter another process's namespaces",
    "for p in /proc/[0-9]*; do nsenter -t ${p#/proc/} -m -p -n true 2>/dev/null && echo EFFECT:$p; done",
  ),
  byShell("other roots by /proc", ({ witness }) =>
    [`/proc/*/root/var/lib/sandbox/*`, `/proc/*/root${witness}/*`, `/proc/*/cwd/supervisor.mjs`, `/proc/*/root/root/*`]
      .map((glob) => `ls -d ${glob} 2>/dev/null | sed s/^/EFFECT:/`)
      .join("; "),
  ),
  byShell(
    "devices",
    [
      "for d in /dev/mem /dev/kmem /dev/kmsg /dev/port /dev/vda /dev/sda /dev/loop0 /dev/fuse /dev/kvm /dev/net/tun /dev/tty1 /dev/console /dev/vsock /dev/input/event0; do",
      '(exec 3<>"$d") 2>/dev/null && echo "EFFECT:$d"; done;',
      "for d in 'b 8 0' 'b 254 0' 'c 1 1' 'c 10 200'; do mknod /tmp/node $d 2>/dev/null && echo EFFECT:mknod $d; done",
    ].join(" "),
  ),
  byShell(
    "settings of the kernel",
    [
      "for f in kernel/core_pattern kernel/modprobe kernel/hostname kernel/sysrq kernel/randomize_va_space kernel/ns_last_pid vm/drop_caches fs/suid_dumpable net/ipv4/ip_forward; do",
      'f=/proc/sys/$f; old=$(cat $f 2>/dev/null); (echo 1 > $f) 2>/dev/null && [ "$f" != /proc/sys/net/ipv4/ip_forward ] && echo "EFFECT:$f"; done;',
      "(echo b > /proc/sysrq-trigger) 2>/dev/null && echo EFFECT:sysrq; hostname evil 2>/dev/null && echo EFFECT:hostname",
    ].join(" "),
  ),
  byShell(
    "/sys and control groups",
    [
      "find /sys -xdev -writable -type f 2>/dev/null | head -3 | sed s/^/EFFECT:/;",
      "for f in /run/limits/* /sys/fs/cgroup/memory.max /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/*/release_agent; do (echo max > $f) 2>/dev/null && echo EFFECT:$f; done",
    ].join(" "),
  ),
  byShell(
    "core dump handler",
    "ulimit -c unlimited; (echo '|/workspace/handler' > /proc/sys/kernel/core_pattern) 2>/dev/null; bash -c 'kill -SEGV $$'; rm -f core*; true",
  ),
  byShell(
    "keys of the kernel",
    python(`attempt("keyctl", lambda: call((250, 219), 0, -4, 0))
attempt("add_key", lambda: call((248, 217), b"user", b"evil", b"x", 1, -3))
attempt("request_key", lambda: call((249, 218), b"user", b"evil", None, -3))`),
  ),
  byShell(
    "bpf, io_uring, perf, userfaultfd, kexec, modules, handles",
    python(`
zero = ctypes.create_string_buffer(256)
for name, numbers, rest in [("bpf", (321, 280), (0, zero, 128)), ("io_uring", (425, 425), (8, zero)), ("perf", (298, 241), (zero, 0, -1, -1, 0)),
    ("userfaultfd", (323, 282), (0,)), ("kexec", (246, 104), (0, 0, None, 0)), ("init_module", (175, 105), (zero, 256, b"")),
    ("open_by_handle", (304, 265), (3, zero, 0)), ("fsopen", (430, 430), (b"tmpfs", 0)), ("open_tree", (428, 428), (-100, b"/", 1)),
    ("mount_setattr", (442, 442), (-100, b"/", 0, zero, 32)), ("reboot", (169, 142), (0xfee1dead, 672274793, 0x01234567, None)),
    ("swapon", (167, 224), (b"/workspace/x", 0)), ("acct", (163, 89), (b"/workspace/x",)), ("syslog", (103, 116), (3, zero, 256))]:
    attempt(name, lambda: call(numbers, *rest))`),
  ),
  byShell(
    "sockets below TCP",
    python(`
for what, family, kind, protocol in [("raw", socket.AF_INET, socket.SOCK_RAW, 1), ("packet", 17, socket.SOCK_RAW, 0x0300)]:
    attempt(what, lambda: socket.socket(family, kind, protocol).fileno())
def vsock(cid, port):
    s = socket.socket(40, socket.SOCK_STREAM); s.settimeout(0.5); s.connect((cid, port)); return "connected"
for cid in (0, 1, 2):
    for port in (22, 1024, 8080, 9999): attempt("vsock %d %d" % (cid, port), lambda: vsock(cid, port))
def interface():
    s = socket.socket(16, 3, 0)
    s.send(struct.pack("=IHHII", 32, 16, 5 | 0x600, 1, 0) + struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0))
    return struct.unpack("=i", s.recv(4096)[16:20])[0] == 0
attempt("interface", interface)`),
  ),
  byShell(
    "become root by files",
    [
      "cp /bin/bash rootshell; chmod 6755 rootshell; [ $(./rootshell -p -c 'id -u') = 0 ] && echo EFFECT:root;",
      "chown 0:0 rootshell 2>/dev/null && echo EFFECT:chown; chown 1001 rootshell 2>/dev/null && echo EFFECT:chown;",
      "setcap cap_sys_admin+ep rootshell 2>/dev/null && echo EFFECT:setcap; rm -f rootshell;",
      "for p in su sudo pkexec newgrp passwd mount fusermount; do timeout 2 $p -c 'id -u' root </dev/null 2>/dev/null | grep -x 0 && echo EFFECT:$p; done",
    ].join(" "),
  ),
  byShell(
    "take capabilities and users",
    python(`
for what, run in [("setuid", lambda: libc.setuid(0) == 0), ("setresuid", lambda: libc.setresuid(1001, 1001, 1001) == 0), ("setgid", lambda: libc.setgid(0) == 0),
    ("setgroups", lambda: libc.setgroups(1, (ctypes.c_uint * 1)(0)) == 0), ("ambient", lambda: libc.prctl(47, 2, 21, 0, 0) == 0),
    ("undo no_new_privs", lambda: libc.prctl(38, 0, 0, 0, 0) == 0), ("fsuid", lambda: libc.setfsuid(0) == -5 or libc.setfsuid(-1) == 0)]:
    attempt(what, run)`),
  ),
  byShell(
    "signals to processes of others",
    ({ witness }) =>
      `echo ${witness.length} >/dev/null; for p in 1 $(seq 2 3 400) $(seq 1000 997 60000); do [ "$(stat -c %u /proc/$p 2>/dev/null)" = 1000 ] || kill -9 $p 2>/dev/null && [ "$(stat -c %u /proc/$p 2>/dev/null || echo 1000)" != 1000 ] && echo EFFECT:$p; done; kill -9 -2 2>/dev/null; true`,
  ),
  byShell(
    "trace processes of others",
    python(`
for name in os.listdir("/proc"):
    if not name.isdigit() or int(name) == os.getpid(): continue
    if os.stat("/proc/" + name).st_uid == os.getuid(): continue
    attempt("attach " + name, lambda: libc.ptrace(16, int(name), 0, 0) == 0)
    attempt("seize " + name, lambda: libc.ptrace(0x4206, int(name), 0, 0) == 0)
    attempt("memory " + name, lambda: len(open("/proc/%s/mem" % name, "rb").read(1)) or "opened")
    attempt("environ " + name, lambda: open("/proc/%s/environ" % name, "rb").read().decode())`),
  ),
  byShell(
    "the clock",
    [
      "date -s 2001-01-01 2>/dev/null >&2 && echo EFFECT:date;",
      python(`
ts = (ctypes.c_long * 2)(1, 0)
attempt("settimeofday", lambda: libc.settimeofday(ts, None) == 0)
attempt("clock_settime", lambda: libc.clock_settime(0, ts) == 0)
buffer = ctypes.create_string_buffer(512); buffer[0] = b"\\x02"
attempt("adjtimex", lambda: libc.adjtimex(buffer) >= 0)`),
    ].join(" "),
  ),
  byShell(
    "a better place at the scheduler",
    [
      "renice -20 $$ >/dev/null 2>&1 && echo EFFECT:nice; (echo -1000 > /proc/self/oom_score_adj) 2>/dev/null && echo EFFECT:oom;",
      python(`
attempt("realtime", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)) or True)
import resource
attempt("processes", lambda: resource.setrlimit(resource.RLIMIT_NPROC, (-1, -1)) or resource.getrlimit(resource.RLIMIT_NPROC) == (-1, -1) and False)`),
    ].join(" "),
  ),
  byShell(
    "characters into somebody's terminal",
    python(`
import fcntl, termios
for path in ["/dev/tty", "/dev/console", "/proc/self/fd/0", "/proc/self/fd/1", "/dev/pts/0", "/dev/ptmx"]:
    try: fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error: print(path, error); continue
    if path == "/dev/ptmx": continue
    attempt("TIOCSTI " + path, lambda: fcntl.ioctl(fd, 0x5412, b"x") is not None)
    attempt("TIOCLINUX " + path, lambda: fcntl.ioctl(fd, 0x541C, b"\\x03") is not None)`),
  ),
  byShell(
    "descriptors that came along",
    [
      "for f in /proc/$$/fd/* /proc/$PPID/fd/*; do readlink $f; done 2>/dev/null | grep -E '^/' | grep -vE '^/(dev/null|dev/urandom|proc/|workspace|run/sandbox|app/|usr/|dev/pts)' | sed s/^/EFFECT:/",
    ].join(" "),
  ),
];
