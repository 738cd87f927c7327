import { DETAILS_LIMIT_BYTES, MOST_PROJECTS, STORAGE_LIMIT_BYTES } from './storage.ts';

/** What a user's projects take up together. */
export interface Space {
  /** Of the contents. */
  readonly used_bytes: number;
  /** Of everything but the contents. */
  readonly details_bytes: number;
  readonly projects: number;
  /** Number of the user's latest save; no number is given twice. */
  readonly last_number: number;
}

export const EMPTY_SPACE: Space = { used_bytes: 0, details_bytes: 0, projects: 0, last_number: 0 };

/** What one project takes up. */
export interface ProjectBytes {
  readonly size: number;
  readonly details: number;
}

export type SpaceRefusal = 'storage-exceeded' | 'too-many-projects';

/** The space with one project more, or what it lacks. */
export function takeRoom(space: Space, { size, details }: ProjectBytes): Space | SpaceRefusal {
  const after = {
    used_bytes: space.used_bytes + size,
    details_bytes: space.details_bytes + details,
    projects: space.projects + 1,
    last_number: space.last_number + 1,
  };
  if (after.used_bytes > STORAGE_LIMIT_BYTES) return 'storage-exceeded';
  if (after.details_bytes > DETAILS_LIMIT_BYTES || after.projects > MOST_PROJECTS) return 'too-many-projects';
  return after;
}

/** The space with one project less. */
export function giveBack(space: Space, { size, details }: ProjectBytes): Space {
  return {
    ...space,
    used_bytes: space.used_bytes - size,
    details_bytes: space.details_bytes - details,
    projects: space.projects - 1,
  };
}
