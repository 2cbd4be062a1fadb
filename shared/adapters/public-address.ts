import { BlockList, isIP } from "node:net";

/** Everything that is not the public internet (IANA special-purpose registries), and every cloud's metadata addresses in it. */
const ranges4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  // Alibaba's metadata service is outside of the ranges above.
  "100.100.100.200/32",
];

/** Of IPv6 only global unicast is public, less what carries an IPv4 address inside or leads nowhere. */
const ranges6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

const refused = new BlockList();
for (const range of ranges4) addRange(range, "ipv4");
for (const range of ranges6) addRange(range, "ipv6");

const globalUnicast = new BlockList();
globalUnicast.addSubnet("2000::", 3, "ipv6");

function addRange(range: string, family: "ipv4" | "ipv6"): void {
  const [network = "", prefix = ""] = range.split("/");
  refused.addSubnet(network, Number(prefix), family);
}

/** Whether a resolved address may be dialled on behalf of a tenant. Anything that is no address may not. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !refused.check(address, "ipv4");
    case 6:
      return globalUnicast.check(address, "ipv6") && !refused.check(address, "ipv6");
    default:
      return false;
  }
}

/** What a stage may let tenants reach beside the internet: this machine and its own networks, never link-local ones or metadata. */
const ownNetworks = new BlockList();
for (const [network, prefix, family] of [
  ["127.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["::1", 128, "ipv6"],
  ["fc00::", 7, "ipv6"],
] as const)
  ownNetworks.addSubnet(network, prefix, family);

/** AWS's metadata, DNS and time services over IPv6. */
const awsServices = new BlockList();
awsServices.addSubnet("fd00:ec2::", 32, "ipv6");

function isOwnAddress(address: string): boolean {
  const family = isIP(address) === 4 ? "ipv4" : "ipv6";
  return isIP(address) !== 0 && ownNetworks.check(address, family) && !awsServices.check(address, family);
}

/** Whether a resolved address may be dialled where private hosts are allowed, or are not. */
export function mayReach(address: string, allowPrivate: boolean): boolean {
  return isPublicAddress(address) || (allowPrivate && isOwnAddress(address));
}
