import { describe, expect, test } from 'vitest';
import { EMPTY_SPACE, giveBack, takeRoom } from '../../../src/domain/workspace/space.ts';
import {
  DETAILS_LIMIT_BYTES,
  MOST_PROJECTS,
  STORAGE_LIMIT_BYTES,
} from '../../../src/domain/workspace/storage.ts';

describe('room for a project', () => {
  test('is taken up to the last byte', () => {
    const half = takeRoom(EMPTY_SPACE, { size: STORAGE_LIMIT_BYTES / 2, details: 10 });
    if (typeof half === 'string') throw new Error(half);
    expect(half).toEqual({ used_bytes: 524_288, details_bytes: 10, projects: 1, last_number: 1 });
    expect(takeRoom(half, { size: STORAGE_LIMIT_BYTES / 2, details: 10 })).toMatchObject({ projects: 2 });
    expect(takeRoom(half, { size: STORAGE_LIMIT_BYTES / 2 + 1, details: 10 })).toBe('storage-exceeded');
  });

  test('ends with the number of projects and with what their titles and metadata take', () => {
    const many = { ...EMPTY_SPACE, projects: MOST_PROJECTS - 1 };
    expect(takeRoom(many, { size: 1, details: 1 })).toMatchObject({ projects: MOST_PROJECTS });
    expect(takeRoom({ ...many, projects: MOST_PROJECTS }, { size: 1, details: 1 })).toBe('too-many-projects');
    const wordy = { ...EMPTY_SPACE, details_bytes: DETAILS_LIMIT_BYTES - 5 };
    expect(takeRoom(wordy, { size: 1, details: 5 })).toMatchObject({ details_bytes: DETAILS_LIMIT_BYTES });
    expect(takeRoom(wordy, { size: 1, details: 6 })).toBe('too-many-projects');
  });
});

test('what is given back can be taken again, under a new number', () => {
  const project = { size: STORAGE_LIMIT_BYTES, details: 7 };
  const full = takeRoom(EMPTY_SPACE, project);
  if (typeof full === 'string') throw new Error(full);
  const empty = giveBack(full, project);
  expect(empty).toEqual({ ...EMPTY_SPACE, last_number: 1 });
  expect(takeRoom(empty, project)).toEqual({ ...full, last_number: 2 });
});
