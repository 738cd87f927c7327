import { identicalValues } from '../bson/compare.ts';
import { isArrayIndex } from '../bson/paths.ts';
import { type Document, isArray, isDocument, type Value } from '../bson/values.ts';
import { badValue, MongoServerError } from '../errors.ts';

const maximumPadding = 1_500_000;

/** A document being changed: copies only what is on a changed path, and knows which top-level fields changed. */
export class Draft {
  readonly changedRoots = new Set<string>();
  root: Document;
  private readonly owned = new Set<Value>();

  constructor(document: Document) {
    this.root = { ...document };
  }

  get(parts: readonly string[]): Value | undefined {
    let current: Value | undefined = this.root;
    for (const part of parts) {
      if (isArray(current)) current = isArrayIndex(part) ? current[Number(part)] : undefined;
      else if (isDocument(current)) current = Object.hasOwn(current, part) ? current[part] : undefined;
      else return undefined;
    }
    return current;
  }

  /** Sets the value at a path, creating documents on the way. @throws MongoServerError PathNotViable */
  set(parts: readonly string[], value: Value): void {
    const [root = ''] = parts;
    if (parts.length === 1) {
      const old = Object.hasOwn(this.root, root) ? this.root[root] : undefined;
      if (old !== undefined && identicalValues(old, value)) return;
      this.root[root] = value;
      this.changedRoots.add(root);
      return;
    }
    const old = this.get(parts);
    if (old !== undefined && identicalValues(old, value)) return;
    let container: Document | Value[] = this.root;
    for (let depth = 0; depth < parts.length - 1; depth++) {
      container = this.ownedChild(container, parts[depth] ?? '', parts[depth + 1] ?? '');
    }
    assign(container, parts.at(-1) ?? '', value);
    this.changedRoots.add(root);
  }

  /** Removes a field; an array element becomes null. */
  unset(parts: readonly string[]): void {
    if (this.get(parts) === undefined) return;
    let container: Document | Value[] = this.root;
    for (let depth = 0; depth < parts.length - 1; depth++) {
      container = this.ownedChild(container, parts[depth] ?? '', parts[depth + 1] ?? '');
    }
    const last = parts.at(-1) ?? '';
    if (isArray(container)) container[Number(last)] = null;
    else delete container[last];
    this.changedRoots.add(parts[0] ?? '');
  }

  private ownedChild(container: Document | Value[], part: string, next: string): Document | Value[] {
    const child: Value | undefined = isArray(container)
      ? container[indexOf(container, part)]
      : Object.hasOwn(container, part)
        ? container[part]
        : undefined;
    if (
      child !== undefined &&
      child !== null &&
      this.owned.has(child) &&
      (isArray(child) || isDocument(child))
    )
      return child;
    let copy: Document | Value[];
    if (child === undefined) copy = {};
    else if (isArray(child)) copy = [...child];
    else if (isDocument(child)) copy = { ...child };
    else throw pathNotViable(next, { [part]: child });
    this.owned.add(copy);
    assign(container, part, copy);
    return copy;
  }
}

function indexOf(array: Value[], part: string): number {
  if (!isArrayIndex(part)) throw pathNotViable(part, array);
  return Number(part);
}

function assign(container: Document | Value[], part: string, value: Value): void {
  if (!isArray(container)) {
    container[part] = value;
    return;
  }
  const index = indexOf(container, part);
  if (index > container.length + maximumPadding)
    throw badValue(`can't backfill array to larger than ${maximumPadding} elements`);
  while (container.length < index) container.push(null);
  container[index] = value;
}

function pathNotViable(part: string, holder: Value): MongoServerError {
  return new MongoServerError(
    'PathNotViable',
    `Cannot create field '${part}' in element ${JSON.stringify(holder, jsonValue)}`,
  );
}

function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
