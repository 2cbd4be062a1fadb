import { connect as connectTcp, type Socket } from "node:net";
import { isIP } from "node:net";
import type { Target } from "./rules.decisions.ts";

export interface DialOptions {
  /** All addresses of a name. The sandbox's own programs resolve none. */
  addressesOf(host: string): Promise<string[]>;
  mayReach(address: string): boolean;
  /** @default - a TCP connection */
  connect?(address: string, port: number): Socket;
}

/** The host is on this machine, in a private network, or where a cloud keeps its metadata. */
export class PrivateAddress extends Error {}

const dialTimeoutMs = 10_000;

/** Resolves once, checks every answer, and dials one that was checked: a name cannot turn into another address between. */
export async function dial({ host, port }: Target, options: DialOptions): Promise<Socket> {
  const literal = host.replace(/^\[|\]$/g, "");
  const addresses = isIP(literal) === 0 ? await resolved(host, options) : [literal];
  if (addresses.some((address) => !options.mayReach(address)))
    throw new PrivateAddress(`${host} is not on the public internet`);
  const address = addresses.find((each) => isIP(each) === 4) ?? addresses[0];
  if (address === undefined) throw new Error(`${host} has no address`);
  const connect = options.connect ?? ((to, on) => connectTcp({ host: to, port: on }));
  return connected(connect(address, port), host);
}

async function resolved(host: string, { addressesOf }: DialOptions): Promise<string[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${host} could not be resolved in time`)), dialTimeoutMs).unref();
  });
  return Promise.race([addressesOf(host), late]).finally(() => clearTimeout(timer));
}

function connected(socket: Socket, host: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error(`${host} did not answer in time`)), dialTimeoutMs);
    socket.once("close", () => clearTimeout(timer));
    socket.once("error", reject);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
