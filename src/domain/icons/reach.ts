/** On whose behalf somebody asks. */
export interface Reach {
  /** `callerId` of the caller. */
  readonly owner: string;
  /** An operator: what is everybody's is in reach. */
  readonly sees_all: boolean;
}

/** Whether the caller may know of what is its owner's; what is out of reach is answered as if it did not exist. */
export function mayReach(caller: Reach, { owner }: { readonly owner: string }): boolean {
  return caller.sees_all || caller.owner === owner;
}
