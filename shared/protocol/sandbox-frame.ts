import * as z from "zod";
import { WireError } from "./error-code.ts";
import { MergeReport } from "./merge-report.ts";
import { SandboxConfiguration, SetupOutcome } from "./sandbox-config.ts";
import { PushStatus, SecretFinding } from "./server-event.ts";
import { sandboxTerminalFrames, terminalCommands } from "./terminal.ts";

/** Identifies a frame on the link: acked once, resent until it is. Live frames are answered only where they are refused. */
const FrameId = z.string().min(1).max(64);
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const ObjectId = z.string().regex(/^[0-9a-f]{40}$/);
const framed = { frame_id: FrameId };

const diffStat = z.object({
  files: z.number().int().nonnegative(),
  insertions: z.number().int().nonnegative(),
  deletions: z.number().int().nonnegative(),
});

export const UploadPurpose = z.enum(["pack", "manifest", "blob", "tool_output", "transfer"]);
export type UploadPurpose = z.infer<typeof UploadPurpose>;

/** A merge whose conflicts are in the files: what is made of them becomes the merge. */
export const Merging = z.object({
  /** Of the target branch. */
  commit: ObjectId,
  /** The session's own, that it is merged with; null: it had none. */
  onto: ObjectId.nullable(),
  /** Where the conflicts were; not all of them, where they are very many. */
  paths: z.array(z.string().max(1000)).max(500),
  /** Those that hold the merge's markers still. Absent, of an older version: nobody looked. */
  unresolved: z.array(z.string().max(1000)).max(500).optional(),
  /** How many lines of a file look like markers and were there before, where there are any. */
  own: z.record(z.string(), z.number().int().positive()).optional(),
});
export type Merging = z.infer<typeof Merging>;

/** A commit of the workspace whose pack and manifest are already durable in object storage. */
export const TakenCheckpoint = z.object({
  commit: ObjectId,
  parent_commit: ObjectId.nullable(),
  tree: ObjectId,
  message: z.string().max(1000),
  stat: diffStat,
  pack_key: z.string(),
  pack_bytes: z.number().int().nonnegative(),
  /** This pack alone holds everything above the base commit, so a restore needs no older pack. */
  pack_is_complete: z.boolean(),
  /** SHA-256 of older packs whose objects this one holds as well: a restore needs them no more. Missing: none. */
  pack_replaces: z.array(Sha256).max(100).optional(),
  manifest_key: z.string(),
  /** Both sides of the changed text files, for readers that do not index packs. */
  blobs_key: z.string().optional(),
  /** Of a session's first checkpoint: the manifest of the state before it. */
  parent_manifest_key: z.string().optional(),
  /** What looks like a secret among the new and changed files. */
  secrets: z.array(SecretFinding).max(20).optional(),
  /** Its files hold the conflicts of a merge, or what was made of them so far. */
  merging: Merging.optional(),
  /** For people: what of the workspace is not in it, and why. */
  warning: z.string().max(500).optional(),
});
export type TakenCheckpoint = z.infer<typeof TakenCheckpoint>;

/** How the error of a push begins whose credential the host does not take. */
export const credentialRefused = "credential_refused";

export const PushOutcome = z.object({
  status: PushStatus,
  /** The branch that now points at the commit; differs from the asked one after a non-fast-forward. */
  branch: z.string().nullable(),
  error: z.string().max(500).nullable(),
});
export type PushOutcome = z.infer<typeof PushOutcome>;

/** What a sandbox's supervisor may send. Each is its own API Gateway route, handled by the sandbox function alone. */
export const SandboxFrame = z.discriminatedUnion("type", [
  /** First frame on every link, also after a reconnect. Answered by `welcome`. */
  z.strictObject({
    type: z.literal("sandbox.hello"),
    ...framed,
    version: z.string(),
    private_ip: z.string().nullable(),
    /** Of one that waits: it goes on as a session's sandbox on the link that it has. */
    adopts_in_place: z.literal(true).optional(),
    /** Of one that waits: its tools run, in a workspace with nothing in it. */
    is_prepared: z.literal(true).optional(),
  }),
  /** The workspace holds the last checkpoint (or the repository, or nothing) and tools may run. */
  z.strictObject({
    type: z.literal("sandbox.ready"),
    ...framed,
    restored_commit: ObjectId.nullable(),
    base_commit: ObjectId.nullable(),
  }),
  z.strictObject({ type: z.literal("sandbox.failed"), ...framed, message: z.string().max(500) }),
  /** `is_nobodys`: it was not told of its adoption. */
  z.strictObject({ type: z.literal("sandbox.heartbeat"), ...framed, is_nobodys: z.literal(true).optional() }),
  z.strictObject({
    type: z.literal("sandbox.tool_output"),
    ...framed,
    call_id: z.string(),
    offset: z.number().int().nonnegative(),
    text: z.string(),
  }),
  z.strictObject({
    type: z.literal("sandbox.tool_completed"),
    ...framed,
    call_id: z.string(),
    nonce: z.string(),
    is_error: z.boolean(),
    /** Head and tail where the whole is over the inline limit; the whole is then at `object_key`. */
    output: z.string(),
    output_bytes: z.number().int().nonnegative(),
    object_key: z.string().nullable(),
    duration_ms: z.number().int().nonnegative(),
  }),
  z.strictObject({
    type: z.literal("sandbox.checkpoint_taken"),
    ...framed,
    turn_id: z.string(),
    /** Null where the workspace is as the last checkpoint left it. */
    checkpoint: TakenCheckpoint.nullable(),
    push: PushOutcome,
    error: z.string().max(500).nullable(),
    /**
     * Absent: what was asked for. `before`: the state that a restore or merge is about to leave; without a checkpoint it says
     * that the sandbox is at the operation `turn_id`.
     */
    cause: z.enum(["stop", "before", "restore", "merge"]).optional(),
    /** Of `merge`, and the last word about it. A sandbox of an older version says none. */
    merge: MergeReport.optional(),
  }),
  z.strictObject({ type: z.literal("sandbox.checkpoint_pushed"), ...framed, commit: ObjectId, branch: z.string() }),
  z.strictObject({
    type: z.literal("sandbox.upload_request"),
    ...framed,
    purpose: UploadPurpose,
    length: z.number().int().positive(),
    sha256: Sha256,
  }),
  z.strictObject({
    type: z.literal("sandbox.files_changed"),
    ...framed,
    by: z.enum(["user", "assistant", "process"]),
    changes: z.array(z.object({ path: z.string(), kind: z.enum(["created", "updated", "deleted"]) })).max(100),
    more: z.number().int().nonnegative(),
  }),
  z.strictObject({ type: z.literal("sandbox.port_opened"), ...framed, port: z.number().int().min(1).max(65535) }),
  z.strictObject({ type: z.literal("sandbox.port_closed"), ...framed, port: z.number().int().min(1).max(65535) }),
  z.strictObject({ type: z.literal("sandbox.terminal_output"), ...framed, ...sandboxTerminalFrames.output }),
  z.strictObject({ type: z.literal("sandbox.terminal_changed"), ...framed, ...sandboxTerminalFrames.changed }),
  z.strictObject({ type: z.literal("sandbox.renew_token"), ...framed }),
  z.strictObject({ type: z.literal("sandbox.read_configuration"), ...framed }),
  /** Setup commands run: calls wait for them. */
  z.strictObject({ type: z.literal("sandbox.setup_started"), ...framed }),
  z.strictObject({
    type: z.literal("sandbox.setup_output"),
    ...framed,
    offset: z.number().int().nonnegative(),
    text: z.string(),
  }),
  z.strictObject({ type: z.literal("sandbox.setup_completed"), ...framed, ...SetupOutcome.shape }),
  z.strictObject({ type: z.literal("sandbox.stopping"), ...framed, reason: z.string().max(200) }),
]);
export type SandboxFrame = z.infer<typeof SandboxFrame>;
export type SandboxFrameType = SandboxFrame["type"];
export const sandboxFrameTypes = SandboxFrame.options.map((option) => option.shape.type.value);

/** Sent live: nobody keeps such a frame until it is answered, and it is answered only where it is refused. */
const unansweredFrames = [
  "sandbox.tool_output",
  "sandbox.files_changed",
  "sandbox.port_opened",
  "sandbox.port_closed",
  "sandbox.terminal_output",
  "sandbox.setup_output",
] as const satisfies readonly SandboxFrameType[];
export type UnansweredFrameType = (typeof unansweredFrames)[number];

/** Whatever comes of them, they get an ack: it is the response of their route. */
export const answeredFrameTypes: readonly string[] = sandboxFrameTypes.filter(
  (type) => !unansweredFrames.some((unanswered) => unanswered === type),
);

/** Where to push, with the credential of this one push: it lives in the supervisor's memory only. */
export const PushTarget = z.object({
  url: z.url(),
  branch: z.string(),
  username: z.string(),
  password: z.string(),
});
export type PushTarget = z.infer<typeof PushTarget>;

export const Author = z.object({ name: z.string(), email: z.string() });

/** How to fill the workspace: fetch the base from the repository, then lay the packs over it. */
export const WorkspaceSource = z.object({
  repo_url: z.url().nullable(),
  target_branch: z.string().nullable(),
  /** Fixed by the first container; null on the first start, then the tip of `target_branch` is taken. */
  base_commit: ObjectId.nullable(),
  branch: z.string().nullable(),
  /** Null without a checkpoint: then the base is the state. */
  commit: ObjectId.nullable(),
  /** What the files of `commit` must be, as the checkpoint's row has it. */
  tree: ObjectId.optional(),
  pack_urls: z.array(z.url()),
  /** For reading the repository where it is private: in the supervisor's memory only. */
  credential: z.object({ username: z.string(), password: z.string() }).nullable().optional(),
  /** The session has no checkpoint of its own yet. */
  is_first: z.boolean().optional(),
  /** The push of its newest checkpoint is held. */
  is_held: z.boolean().optional(),
  /** Its newest checkpoint holds the conflicts of this merge. */
  merging: Merging.optional(),
});
export type WorkspaceSource = z.infer<typeof WorkspaceSource>;

/** Of a workspace with nothing in it. */
export const emptySource = {
  repo_url: null,
  target_branch: null,
  base_commit: null,
  branch: null,
  commit: null,
  pack_urls: [],
} satisfies WorkspaceSource;

/** Whom a sandbox serves, and what it begins with. */
export const Welcome = z.object({
  session_id: z.string(),
  epoch: z.number().int(),
  source: WorkspaceSource,
  /** Presented by the preview relay on every request to the supervisor's port. */
  preview_key: z.string(),
  /** Whose name is on a checkpoint that nobody asked for: the one before a stop. */
  checkpoint_as: z.object({ author: Author, co_author: Author }).optional(),
  /** Presented by the platform at the supervisor's door. A platform that has none asks nothing there. */
  control_key: z.string().optional(),
  idle_stop_seconds: z.number().int().positive(),
  /** The session's configuration may be asked for. */
  configurable: z.boolean().optional(),
  /** What the answer would be, where it was known. */
  configuration: SandboxConfiguration.optional(),
});
export type Welcome = z.infer<typeof Welcome>;

/** What the platform sends to a supervisor. */
export const SandboxCommand = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("welcome"),
    frame_id: FrameId,
    ...Welcome.shape,
  }),
  /** Answers every frame; resends stop when it arrives. `result` depends on the frame's type. */
  z.object({
    type: z.literal("ack"),
    frame_id: FrameId,
    result: z.record(z.string(), z.unknown()).optional(),
    error: WireError.optional(),
  }),
  z.object({
    type: z.literal("tool.run"),
    call_id: z.string(),
    nonce: z.string(),
    name: z.string(),
    /** Null where it is too large for a message: then it is JSON at `input_url`. */
    input: z.record(z.string(), z.unknown()).nullable(),
    input_url: z.url().nullable(),
    timeout_ms: z.number().int().positive(),
  }),
  z.object({ type: z.literal("tool.cancel"), call_id: z.string() }),
  z.object({
    type: z.literal("checkpoint.take"),
    turn_id: z.string(),
    message: z.string(),
    author: Author,
    co_author: Author,
    push: PushTarget.nullable(),
    /** People said that what looks like a secret may be pushed. */
    allow_secrets: z.boolean().optional(),
  }),
  /** The present state becomes a checkpoint, then the files become those of `tree`, which is the next one. */
  z.object({
    type: z.literal("checkpoint.restore"),
    operation_id: z.string(),
    tree: ObjectId,
    message: z.string(),
    before_message: z.string(),
    author: Author,
    co_author: Author,
    push: PushTarget.nullable(),
    allow_secrets: z.boolean().optional(),
  }),
  z.object({ type: z.literal("terminal.input"), ...terminalCommands.input }),
  z.object({ type: z.literal("terminal.resize"), ...terminalCommands.resize }),
  z.object({ type: z.literal("terminal.close"), ...terminalCommands.close }),
  /** The session's configuration is another one now: ask again. */
  z.object({ type: z.literal("configure") }),
  /** To a sandbox that is nobody's yet: it is this session's from now on, and proves it as one that was launched for it. */
  z.object({
    type: z.literal("adopt"),
    tenant_id: z.string(),
    session_id: z.string(),
    epoch: z.number().int().positive(),
    boot_secret: z.string(),
    /** The link is the session's already: hello is said on it. Else it is closed, and the secret redeemed for another. */
    in_place: z.literal(true).optional(),
    /** To one that is prepared, where nothing has to be fetched: it is ready with this, and says no hello. */
    welcome: Welcome.optional(),
  }),
  z.object({ type: z.literal("stop"), reason: z.string() }),
]);
export type SandboxCommand = z.infer<typeof SandboxCommand>;

/** Result inside the `ack` of `sandbox.upload_request`. A null url: the object is there already. */
export const UploadGrant = z.object({
  key: z.string(),
  url: z.url().nullable(),
  headers: z.record(z.string(), z.string()),
});
export type UploadGrant = z.infer<typeof UploadGrant>;

/** Result inside the `ack` of `sandbox.renew_token`, and of the boot secret's redemption. */
export const SandboxToken = z.object({ token: z.string(), expires_in: z.number().int().positive() });
export type SandboxToken = z.infer<typeof SandboxToken>;

/** `POST /sandbox-tokens`: the boot secret is good once, within ten minutes of the launch. */
export const RedeemBootSecret = z.strictObject({
  tenant_id: z.string(),
  session_id: z.string(),
  epoch: z.number().int().positive(),
  boot_secret: z.string(),
});
export type RedeemBootSecret = z.infer<typeof RedeemBootSecret>;
