import { BlockList, isIP } from "node:net";

type Interfaces = NodeJS.Dict<{ address: string }[]>;

/**
 * Whether an address is this machine's own, however it is written. One that is public leads to servers of this machine
 * all the same, past whatever keeps the internet from them.
 */
export function isOwnAddress(address: string, interfaces: Interfaces): boolean {
  const own = new BlockList();
  for (const each of Object.values(interfaces).flatMap((addresses) => addresses ?? [])) {
    const family = isIP(each.address);
    if (family !== 0) own.addAddress(each.address, family === 4 ? "ipv4" : "ipv6");
  }
  const family = isIP(address);
  return family !== 0 && own.check(address, family === 4 ? "ipv4" : "ipv6");
}
