/** A path with what makes no difference to whose it is put aside: case, and slashes twice, as behind a base address that ends in one. */
export function foldPath(path: string): string {
  return path.toLowerCase().replace(/\/{2,}/g, '/');
}
