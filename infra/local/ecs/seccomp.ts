/** Numbers of one architecture: what a container never needs and an escape usually does. */
interface Architecture {
  /** AUDIT_ARCH_* of linux/audit.h. */
  audit: number;
  clone: number;
  refused: number[];
  /** The x32 calls of a 64-bit x86 kernel begin here: a second door to the same calls. */
  foreignFrom: number | null;
}

/** io_uring (425-427), the mount calls of 5.2 (428-433), mount_setattr: the same on every architecture. */
const generic = [425, 426, 427, 428, 429, 430, 431, 432, 433, 442];
const clone3 = 435;

const architectures: Record<string, Architecture> = {
  x64: {
    audit: 0xc000003e,
    clone: 56,
    // pivot_root mount umount2 init_module delete_module kexec_load add_key request_key keyctl unshare
    // perf_event_open open_by_handle_at setns finit_module kexec_file_load bpf userfaultfd
    refused: [155, 165, 166, 175, 176, 246, 248, 249, 250, 272, 298, 304, 308, 313, 320, 321, 323, ...generic],
    foreignFrom: 0x40000000,
  },
  arm64: {
    audit: 0xc00000b7,
    clone: 220,
    // The same calls in the order of this table.
    refused: [41, 40, 39, 105, 106, 104, 217, 218, 219, 97, 241, 265, 268, 273, 294, 280, 282, ...generic],
    foreignFrom: null,
  },
};

const errno = (number: number) => 0x00050000 | number;
const [EPERM, ENOSYS] = [1, 38];
const allow = 0x7fff0000;
/** NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const namespaceFlags = 0x7e020000;

const [load, jumpEqual, jumpGreaterOrEqual, jumpAnySet, answer] = [0x20, 0x15, 0x35, 0x45, 0x06];
/** Offsets in struct seccomp_data; the low half of the first argument comes first on both architectures. */
const [callNumber, callArchitecture, firstArgument] = [0, 4, 16];

type Instruction = [code: number, whenTrue: number, whenFalse: number, value: number];

/** A compiled filter for `bwrap --seccomp`, or null where this architecture has no table. */
export function seccompProgram(architecture: string): Buffer | null {
  const table = architectures[architecture];
  if (table === undefined) return null;
  const program: Instruction[] = [
    [load, 0, 0, callArchitecture],
    [jumpEqual, 1, 0, table.audit],
    [answer, 0, 0, errno(ENOSYS)],
    [load, 0, 0, callNumber],
  ];
  if (table.foreignFrom !== null)
    program.push([jumpGreaterOrEqual, 0, 1, table.foreignFrom], [answer, 0, 0, errno(ENOSYS)]);
  for (const number of table.refused) program.push([jumpEqual, 0, 1, number], [answer, 0, 0, errno(EPERM)]);
  // The flags of clone3 are in memory, out of a filter's sight: libc falls back to clone.
  program.push([jumpEqual, 0, 1, clone3], [answer, 0, 0, errno(ENOSYS)]);
  program.push(
    [jumpEqual, 0, 4, table.clone],
    [load, 0, 0, firstArgument],
    [jumpAnySet, 0, 1, namespaceFlags],
    [answer, 0, 0, errno(EPERM)],
    [answer, 0, 0, allow],
    [answer, 0, 0, allow],
  );
  return encode(program);
}

/** struct sock_filter, little-endian. */
function encode(program: Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, whenTrue, whenFalse, value]] of program.entries()) {
    const at = index * 8;
    bytes.writeUInt16LE(code, at);
    bytes.writeUInt8(whenTrue, at + 2);
    bytes.writeUInt8(whenFalse, at + 3);
    bytes.writeUInt32LE(value >>> 0, at + 4);
  }
  return bytes;
}
