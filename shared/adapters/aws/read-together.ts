import { BatchGetCommand, GetCommand } from "@aws-sdk/lib-dynamodb";
import type { TableClient } from "../../data/service.ts";

type Row = Record<string, unknown>;
type Read = { TableName: string; Key: Row };
type Answer = { Item?: Row };

interface Waiting extends Read {
  resolve: (answer: Answer | Promise<Answer>) => void;
  reject: (error: unknown) => void;
}

/** DynamoDB takes no more keys at once. */
const maxKeys = 100;

/** Of a consistent read of one whole row, which row; null for every other command. */
function readIn(command: { input: object }): Read | null {
  if (!(command instanceof GetCommand)) return null;
  const { TableName, Key, ConsistentRead, ...more } = command.input;
  const isPlain = ConsistentRead === true && Object.values(more).every((value) => value === undefined);
  return isPlain && TableName !== undefined && Key !== undefined ? { TableName, Key } : null;
}

const nameOf = (key: Row) => JSON.stringify(Object.entries(key).toSorted(([one], [other]) => (one < other ? -1 : 1)));

/**
 * Consistent reads of single rows that are asked for at once, as by `Promise.all`, become one request. Each costs the units
 * that it did, and sees what it would have seen; what is saved is the request.
 */
export function readTogether(client: TableClient): TableClient {
  let waiting: Waiting[] = [];
  const readOne = ({ TableName, Key }: Read): Promise<Answer> =>
    client.send(new GetCommand({ TableName, Key, ConsistentRead: true }));

  async function readAll(table: string, reads: Waiting[]): Promise<void> {
    const Keys = reads.map(({ Key }) => Key);
    const request = new BatchGetCommand({ RequestItems: { [table]: { Keys, ConsistentRead: true } } });
    const { Responses = {}, UnprocessedKeys = {} } = await client.send(request);
    const left = new Set(UnprocessedKeys[table]?.Keys?.map(nameOf));
    for (const read of reads) {
      const names = Object.keys(read.Key);
      const Item = Responses[table]?.find((row) => names.every((name) => row[name] === read.Key[name]));
      if (Item !== undefined) read.resolve({ Item });
      else read.resolve(left.has(nameOf(read.Key)) ? readOne(read) : {});
    }
  }

  /** One of a kind goes as it came. */
  function flush(): void {
    const [first, ...others] = waiting;
    waiting = [];
    if (!first) return;
    const isWith = ({ TableName }: Read) => TableName === first.TableName;
    const distinct = new Map([first, ...others.filter(isWith)].map((read) => [nameOf(read.Key), read]));
    const together = [...distinct.values()].slice(0, maxKeys);
    for (const read of [first, ...others].filter((one) => !together.includes(one))) read.resolve(readOne(read));
    const [only, ...more] = together;
    if (only && more.length === 0) return only.resolve(readOne(only));
    readAll(first.TableName, together).catch((error: unknown) => {
      for (const { reject } of together) reject(error);
    });
  }

  const send = (command: { input: object }): Promise<object> => {
    const read = readIn(command);
    if (read === null) return client.send(command as never);
    return new Promise<Answer>((resolve, reject) => {
      waiting.push({ ...read, resolve, reject });
      // After all that is asked for in this turn of the loop, and before anything else.
      if (waiting.length === 1) process.nextTick(flush);
    });
  };
  return { send } as TableClient;
}
