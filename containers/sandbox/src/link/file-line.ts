import * as z from "zod";
import { WireError } from "../../../../shared/protocol/error-code.ts";
import { ExpectedHash, fileOps, FilePath, FolderPath, Sha256 } from "../../../../shared/protocol/file.ts";

/** What the supervisor asks of the toolbox about files, the first line of a connection. Paths count as hostile. */
export const FileCall = z.discriminatedUnion("call", [
  z.object({ call: z.literal("list"), body: fileOps.list.body }),
  z.object({ call: z.literal("read"), body: fileOps.read.body }),
  z.object({ call: z.literal("write"), body: fileOps.write.body }),
  z.object({ call: z.literal("delete"), body: fileOps.delete.body }),
  z.object({ call: z.literal("move"), body: fileOps.move.body }),
  z.object({ call: z.literal("search"), body: fileOps.search.body }),
  /** `length` bytes follow the line. */
  z.object({
    call: z.literal("put"),
    body: z.object({
      path: FilePath,
      length: z.number().int().positive(),
      sha256: Sha256,
      if_hash: ExpectedHash,
      executable: z.boolean().optional(),
    }),
  }),
  /** After the answer come the file's bytes, to the connection's end. */
  z.object({ call: z.literal("get"), body: z.object({ path: FilePath }) }),
  /** A gzipped tar; it was whole where the last line of the answer is there. */
  z.object({ call: z.literal("archive"), body: z.object({ path: FolderPath }) }),
]);
export type FileCall = z.infer<typeof FileCall>;

export const FileAnswer = z.union([z.object({ result: z.unknown() }), z.object({ error: WireError })]);
export type FileAnswer = z.infer<typeof FileAnswer>;

/** The toolbox is untrusted: a longer answer ends the connection. */
export const maxFileAnswerBytes = 6 * 1024 * 1024;
