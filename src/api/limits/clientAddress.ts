import ipaddr from 'ipaddr.js';

const SITE_PARTS = 4;

/**
 * Whom an address belongs to, for counting: an IPv4 address itself, of an IPv6 address the first 64 bits, because its
 * holder has all of the rest.
 */
export function clientAddress(ip: string): string {
  if (!ipaddr.isValid(ip)) return 'unknown';
  const address = ipaddr.process(ip);
  if (address instanceof ipaddr.IPv4) return address.toString();
  return `${address.parts
    .slice(0, SITE_PARTS)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}
