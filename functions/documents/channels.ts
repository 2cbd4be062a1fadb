import * as z from "zod";
import { ClientFrame, framePermissions } from "../../shared/protocol/client-frame.ts";
import { WireError } from "../../shared/protocol/error-code.ts";
import { frameResults, sandboxFrameResults } from "../../shared/protocol/frame-results.ts";
import { RequestId } from "../../shared/protocol/ids.ts";
import { SandboxCommand, SandboxFrame } from "../../shared/protocol/sandbox-frame.ts";
import { EventBatch, ServerEventSchema, type ServerEvent } from "../../shared/protocol/server-event.ts";
import { eventSummaries, frameSummaries, sandboxFrameSummaries } from "./frames.ts";
import type { Json, View } from "./schemas.ts";

type Typed = z.ZodObject<{ type: z.ZodLiteral<string> }>;

interface Message {
  name: string;
  summary: string;
  payload: z.ZodType;
  view: View;
}

export interface Channel {
  name: string;
  title: string;
  description: string;
  messages: Message[];
  operations: Record<string, Json>;
}

const typeOf = (schema: z.ZodType): string => (schema as Typed).shape.type.value;
const inChannel = (channel: string, message: string): Json => ({ $ref: `#/channels/${channel}/messages/${message}` });
const ack = z.literal("ack");
/** What a refused frame had as its id, also where that is none. */
const echo = z.string().max(128).nullable();

/** What one side says, and how the other answers; the platform receives it. */
function received(channel: string, type: string, summary: string, replies: string[], more: Json = {}): Json {
  const reply = {
    channel: { $ref: `#/channels/${channel}` },
    messages: replies.map((name) => inChannel(channel, name)),
  };
  return {
    action: "receive",
    channel: { $ref: `#/channels/${channel}` },
    summary,
    messages: [inChannel(channel, type)],
    reply,
    ...more,
  };
}

function sent(channel: string, summary: string, messages: Message[]): Json {
  return {
    action: "send",
    channel: { $ref: `#/channels/${channel}` },
    summary,
    messages: messages.map(({ name }) => inChannel(channel, name)),
  };
}

export function clientChannel(): Channel {
  const frames = ClientFrame.options.map((payload): Message => {
    const type = payload.shape.type.value;
    return { name: type, summary: frameSummaries[type], payload, view: "input" };
  });
  const results = Object.entries(frameResults).map(([type, result]): Message => {
    const payload = z.object({ type: ack, request_id: RequestId, result });
    return { name: `${type}.result`, summary: `The answer to ${type}`, payload, view: "output" };
  });
  const refused: Message = {
    name: "ack.error",
    summary: "A frame was refused; the connection lives on. `request_id` is null where the frame had none",
    payload: z.object({ type: ack, request_id: echo, error: WireError }),
    view: "output",
  };
  const events = ServerEventSchema.options.map((payload): Message => {
    const type = typeOf(payload) as ServerEvent["type"];
    return { name: type, summary: eventSummaries[type], payload, view: "output" };
  });
  const batch: Message = {
    name: "events",
    summary: "Several events in their order, for who subscribed with `batched`",
    payload: EventBatch,
    view: "output",
  };
  const operations = Object.entries(framePermissions).map(([type, permission]) => {
    const replies = [`${type}.result`, refused.name];
    const summary = frameSummaries[type as keyof typeof frameSummaries];
    return [type, received("client", type, summary, replies, { "x-permission": permission })] as const;
  });
  return {
    name: "client",
    title: "People and servers",
    description:
      "Text frames of JSON. Every frame gets exactly one ack. Events with a `seq` are on the session's log too.",
    messages: [...frames, ...results, refused, ...events, batch],
    operations: {
      ...Object.fromEntries(operations),
      events: sent("client", "What happens in watched sessions", [...events, batch]),
    },
  };
}

export function sandboxChannel(): Channel {
  const frames = SandboxFrame.options.map((payload): Message => {
    const type = payload.shape.type.value;
    return { name: type, summary: sandboxFrameSummaries[type], payload, view: "input" };
  });
  const results = Object.entries(sandboxFrameResults).flatMap(([type, result]): Message[] => {
    if (!result) return [];
    const payload = z.object({ type: ack, frame_id: z.string(), result });
    return [{ name: `${type}.result`, summary: `The answer to ${type}`, payload, view: "output" }];
  });
  const refused: Message = {
    name: "sandbox.ack.error",
    summary: "A frame was refused",
    payload: z.object({ type: ack, frame_id: echo, error: WireError }),
    view: "output",
  };
  const commands = SandboxCommand.options
    .filter((payload) => typeOf(payload) !== "ack")
    .map((payload): Message => {
      const type = typeOf(payload);
      return { name: `sandbox.command.${type}`, summary: `Tells the sandbox: ${type}`, payload, view: "output" };
    });
  const operations = Object.entries(sandboxFrameResults).map(([type, result]) => {
    const replies = [...(result ? [`${type}.result`] : []), refused.name];
    return [
      type,
      received("sandbox", type, sandboxFrameSummaries[type as keyof typeof sandboxFrameResults], replies),
    ] as const;
  });
  return {
    name: "sandbox",
    title: "Supervisors of sandboxes",
    description: "The platform's own sandboxes; a user's connection gets `forbidden` here.",
    messages: [...frames, ...results, refused, ...commands],
    operations: { ...Object.fromEntries(operations), commands: sent("sandbox", "What a sandbox is told", commands) },
  };
}
