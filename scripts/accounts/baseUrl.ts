import { findDatabases } from '../command/findDatabases.ts';

/** Where the API can be reached on this machine: the running system's address, else the configured one. */
export function baseUrl(): string {
  const { holder } = findDatabases();
  if (holder?.base_url) return holder.base_url;
  return `http://${process.env.HOST || '127.0.0.1'}:${process.env.PORT || '3560'}`;
}
