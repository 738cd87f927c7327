import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { IconImage } from '../../src/domain/icons/icon.ts';
import { countCalls, endCall, giveUpLostCalls, listCalls } from '../../src/models/iconCalls.ts';
import { prepareIcons } from '../../src/models/iconDocuments.ts';
import { findFile, listFiles } from '../../src/models/iconFiles.ts';
import { calls, generations } from '../../src/models/iconGenerationDocuments.ts';
import {
  claimGeneration,
  failGeneration,
  findMadeBy,
  forgetFile,
  postponeGeneration,
  recordFile,
  releaseGeneration,
} from '../../src/models/iconGenerations.ts';
import { beginCall, createImage, findImage } from '../../src/models/iconImages.ts';
import { removeOld } from '../../src/models/iconSweeps.ts';
import { createTestSystem, type TestSystem } from '../support/testSystem.ts';
import { claimed, killed, LEASE_MILLISECONDS, newFile, newImage } from './iconFixtures.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem('icongenerations');
  await prepareIcons(system.connection);
});
afterAll(() => system.remove());

const METADATA = {
  style: 'flat',
  color_scheme: 'blue_tones',
  category: 'Tools',
  model: 'gpt-image-2',
} as const;
const LEADER = { kind: 'leader', unknown_in_a_row: 0, attempts: 0 };

/** An image that is kept, of the content of another one where there is one. */
async function wantedImage(like?: Pick<IconImage, 'content_key'>): Promise<IconImage> {
  const wanted = newImage();
  const content_key = like?.content_key ?? wanted.content_key;
  await createImage(system.connection, { ...wanted, content_key }, undefined);
  const image = await findImage(system.connection, wanted.image_id);
  if (!image) throw new Error('There is no image');
  return image;
}

async function begunCall(image: IconImage): Promise<string> {
  const call_id = randomUUID();
  expect(await beginCall(system.connection, image, { call_id, model: 'gpt-image-2' })).toBe('begun');
  return call_id;
}

const outcomeOf = async (callId: string) =>
  (await calls(system.connection).findOne({ _id: callId }))?.outcome;
const expire = (image: IconImage) =>
  generations(system.connection).updateOne(
    { _id: image.content_key },
    { $set: { lease_until: new Date(Date.now() - 1) } },
  );

function recorded(image: IconImage, callId: string | undefined, file = newFile()) {
  return {
    key: image.content_key,
    image_id: image.image_id,
    call_id: callId,
    tokens: callId === undefined ? null : 272,
    file,
    metadata: METADATA,
    generation_milliseconds: 2_100,
  };
}

test('of fifty who want the same icon at once one makes it', async () => {
  const image = newImage();
  const others = Array.from({ length: 50 }, () => ({ ...image, image_id: randomUUID() }));
  const claims = await Promise.all(others.map((other) => claimed(system.connection, other)));
  expect(claims.filter((claim) => claim.kind === 'leader')).toEqual([LEADER]);
  expect(claims.filter((claim) => claim.kind === 'busy')).toHaveLength(49);
});

test('what is made is there for everybody, listed, and its call is delivered', async () => {
  const { connection } = system;
  const image = await wantedImage();
  await claimed(connection, image);
  const callId = await begunCall(image);
  const made = recorded(image, callId);
  await recordFile(connection, made);
  await recordFile(connection, made);

  const icon = { file: made.file, generation_milliseconds: 2_100, made_by: image.image_id };
  const ready = { kind: 'ready', ...icon };
  expect(await claimed(connection, image)).toEqual(ready);
  expect(await claimed(connection, await wantedImage(image))).toEqual(ready);
  expect(await findMadeBy(connection, image.content_key, image.image_id)).toEqual(icon);
  expect(await findMadeBy(connection, image.content_key, 'another')).toBeUndefined();
  expect(await findFile(connection, made.file.path)).toEqual({
    ...made.file,
    id: image.content_key.slice(0, 8),
    generation_milliseconds: 2_100,
    metadata: METADATA,
    saved: false,
  });
  const [call] = await listCalls(connection, 'delivered', 1);
  expect(call).toMatchObject({ call_id: callId, tokens: 272, outcome: 'delivered' });
  expect(call?.ended_at).not.toBeNull();
});

test('a lease that is given back is free for the next, and only its holder gives it back', async () => {
  const { connection } = system;
  const [image, other] = [await wantedImage(), newImage()];
  await claimed(connection, image);
  const waiting = { ...other, content_key: image.content_key };
  await releaseGeneration(connection, image.content_key, other.image_id);
  expect(await claimed(connection, waiting)).toEqual({ kind: 'busy' });
  await releaseGeneration(connection, image.content_key, image.image_id);
  expect(await claimed(connection, waiting)).toEqual(LEADER);
  expect(await claimed(connection, image)).toEqual({ kind: 'busy' });
});

test('a lease that has run out goes to one of those who wait, and the lost call is marked as unknown', async () => {
  const { connection } = system;
  const image = await wantedImage();
  await claimed(connection, image);
  const callId = await begunCall(image);
  const others = await Promise.all(Array.from({ length: 12 }, () => wantedImage(image)));
  expect(await claimed(connection, others[0] ?? image)).toEqual({ kind: 'busy' });
  expect(await outcomeOf(callId)).toBe('pending');

  await expire(image);
  const claims = await Promise.all(others.map((other) => claimed(connection, other)));
  expect(claims.filter((claim) => claim.kind === 'leader')).toEqual([
    { kind: 'leader', unknown_in_a_row: 1, attempts: 1 },
  ]);
  expect(await outcomeOf(callId)).toBe('unknown');
  expect(await beginCall(connection, image, { call_id: randomUUID(), model: 'm' })).toBe('lost');
});

test('a call makes the lease begin anew', async () => {
  const { connection } = system;
  const image = await wantedImage();
  await claimGeneration(connection, image.content_key, image, LEASE_MILLISECONDS);
  const soon = new Date(Date.now() + 5_000);
  await generations(connection).updateOne({ _id: image.content_key }, { $set: { lease_until: soon } });
  await begunCall(image);
  const lease = await generations(connection).findOne({ _id: image.content_key });
  expect((lease?.lease_until?.getTime() ?? 0) - soon.getTime()).toBeGreaterThan(LEASE_MILLISECONDS / 2);
});

test('a rerun of the same image goes on once the run before is dead; what that had begun is unknown', async () => {
  const { connection } = system;
  const image = await wantedImage();
  await claimed(connection, image);
  const first = await begunCall(image);
  expect(await claimed(connection, image)).toEqual({ kind: 'busy' });
  expect(await outcomeOf(first)).toBe('pending');
  await killed(connection, image);
  expect(await claimed(connection, image)).toEqual({ kind: 'leader', unknown_in_a_row: 1, attempts: 1 });
  const second = await begunCall(image);
  await killed(connection, image);
  expect(await claimed(connection, image)).toEqual({ kind: 'leader', unknown_in_a_row: 2, attempts: 2 });
  expect([await outcomeOf(first), await outcomeOf(second)]).toEqual(['unknown', 'unknown']);
  expect(await claimed(connection, image)).toEqual({ kind: 'leader', unknown_in_a_row: 2, attempts: 2 });
});

test('an outcome is written down once; unknown ones are counted until there is a final result', async () => {
  const { connection } = system;
  const image = await wantedImage();
  await claimed(connection, image);
  const before = await countCalls(connection);
  const unknown = await begunCall(image);
  await Promise.all([1, 2, 3].map(() => endCall(connection, unknown, 'unknown', 'no answer in 60 s')));
  await endCall(connection, unknown, 'delivered');
  await killed(connection, image);
  expect(await claimed(connection, image)).toEqual({ kind: 'leader', unknown_in_a_row: 1, attempts: 1 });
  const refused = await begunCall(image);
  await endCall(connection, refused, 'refused', '429');
  await killed(connection, image);
  expect(await claimed(connection, image)).toEqual({ kind: 'leader', unknown_in_a_row: 1, attempts: 2 });
  expect(await countCalls(connection)).toEqual({
    ...before,
    unknown: before.unknown + 1,
    refused: before.refused + 1,
  });
  expect((await listCalls(connection, 'unknown', 1))[0]).toMatchObject({
    call_id: unknown,
    detail: 'no answer in 60 s',
  });
  await failGeneration(connection, image.content_key, image.image_id, 'twice unknown', 3);
  const later = { ...(await wantedImage(image)), asked_at: Date.now() + 1_000 };
  expect(await claimed(connection, later)).toEqual(LEADER);
});

test('attempts are counted, and put off, for the content, whoever makes them; after a minute of rest anew', async () => {
  const { connection } = system;
  const image = await wantedImage();
  const other = await wantedImage(image);
  await claimed(connection, image);
  await begunCall(image);
  const pause = { attempt: 'counted', milliseconds: 60_000 } as const;
  await postponeGeneration(connection, image.content_key, image.image_id, pause);
  expect(await claimed(connection, other)).toMatchObject({
    kind: 'later',
    milliseconds: expect.closeTo(60_000, -4),
  });
  const change = (fields: object) =>
    generations(connection).updateOne({ _id: image.content_key }, { $set: fields });
  await change({ not_before: new Date(Date.now() - 1) });
  expect(await claimed(connection, other)).toMatchObject({ kind: 'leader', attempts: 1 });

  await begunCall(other);
  const limited = { attempt: 'given-back', milliseconds: 60_000 } as const;
  await postponeGeneration(connection, other.content_key, other.image_id, limited);
  expect(await claimed(connection, image)).toMatchObject({ kind: 'leader', attempts: 1 });
  await releaseGeneration(connection, image.content_key, image.image_id);
  const later = { ...other, asked_at: Date.now() + 61_000 };
  expect(await claimed(connection, later)).toMatchObject({ kind: 'leader', attempts: 0 });
});

test('a failure that lies ahead, of a clock that does, holds for nobody yet', async () => {
  const { connection } = system;
  const image = await wantedImage();
  await claimed(connection, image);
  await failGeneration(connection, image.content_key, image.image_id, 'refused', 1);
  const ahead = { failed_at: new Date(Date.now() + 60_000) };
  await generations(connection).updateOne({ _id: image.content_key }, { $set: ahead });
  const next = { ...(await wantedImage(image)), asked_at: Date.now() + 1 };
  expect(await claimed(connection, next)).toEqual(LEADER);
});

test('a final failure holds for all who had asked by then, not for those who ask later', async () => {
  const { connection } = system;
  const image = await wantedImage();
  const waiting = await wantedImage(image);
  await claimed(connection, image);
  await failGeneration(connection, image.content_key, waiting.image_id, 'not its own', 3);
  expect(await claimed(connection, waiting)).toEqual({ kind: 'busy' });
  await failGeneration(connection, image.content_key, image.image_id, 'moderation_blocked', 3);
  expect(await claimed(connection, waiting)).toEqual({
    kind: 'failed',
    reason: 'moderation_blocked',
    attempts: 3,
  });
  expect(await claimed(connection, image)).toEqual({
    kind: 'failed',
    reason: 'moderation_blocked',
    attempts: 3,
  });
  expect(await claimed(connection, { ...waiting, asked_at: Date.now() + 1_000 })).toEqual(LEADER);
});

test('an image that comes after its lease was lost is used all the same; its call stays unknown', async () => {
  const { connection } = system;
  const late = await wantedImage();
  const next = await wantedImage(late);
  await claimed(connection, late);
  const lateCall = await begunCall(late);
  await expire(late);
  expect(await claimed(connection, next)).toEqual({ kind: 'leader', unknown_in_a_row: 1, attempts: 1 });
  const nextCall = await begunCall(next);
  const [lateMade, nextMade] = [recorded(late, lateCall), recorded(next, nextCall)];
  await recordFile(connection, lateMade);
  expect(await claimed(connection, await wantedImage(late))).toMatchObject({
    kind: 'ready',
    file: lateMade.file,
  });
  await recordFile(connection, nextMade);
  expect(await claimed(connection, await wantedImage(late))).toMatchObject({
    kind: 'ready',
    file: lateMade.file,
  });
  expect([await outcomeOf(lateCall), await outcomeOf(nextCall)]).toEqual(['unknown', 'delivered']);
  // Both files are stored, so both can be cleared.
  expect(await findFile(connection, nextMade.file.path)).toMatchObject(nextMade.file);
});

test('a file that is gone is forgotten, another one of the same content is not', async () => {
  const { connection } = system;
  const image = await wantedImage();
  await claimed(connection, image);
  const made = recorded(image, undefined);
  await recordFile(connection, made);
  await forgetFile(connection, image.content_key, 'tools/another.png');
  expect(await claimed(connection, image)).toMatchObject({ kind: 'ready' });
  await forgetFile(connection, image.content_key, made.file.path);
  expect(await findFile(connection, made.file.path)).toBeUndefined();
  expect(await claimed(connection, image)).toEqual(LEADER);
});

test('calls that nobody runs again are given up once they are old', async () => {
  const { connection } = system;
  const image = await wantedImage();
  await claimed(connection, image);
  const callId = await begunCall(image);
  expect(await giveUpLostCalls(connection, Date.now() - 60_000, 100)).toBe(0);
  await calls(connection).updateOne({ _id: callId }, { $set: { begun_at: new Date(Date.now() - 120_000) } });
  expect(await giveUpLostCalls(connection, Date.now() - 60_000, 100)).toBe(1);
  expect(await outcomeOf(callId)).toBe('unknown');
  await killed(connection, image);
  expect(await claimed(connection, image)).toEqual({ kind: 'leader', unknown_in_a_row: 1, attempts: 1 });
});

test('what is known of contents without an icon is removed when it is old, icons stay', async () => {
  const { connection } = system;
  const [failed, made] = [await wantedImage(), await wantedImage()];
  await claimed(connection, failed);
  await failGeneration(connection, failed.content_key, failed.image_id, 'refused', 3);
  await claimed(connection, made);
  await recordFile(connection, recorded(made, undefined));
  const old = { updated_at: new Date(1_000) };
  await generations(connection).updateMany(
    { _id: { $in: [failed.content_key, made.content_key] } },
    { $set: old },
  );
  expect(await removeOld(connection, 2_000, 100)).toBe(1);
  expect(await claimed(connection, made)).toMatchObject({ kind: 'ready' });
  expect(await generations(connection).findOne({ _id: failed.content_key })).toBeNull();
  expect((await listFiles(connection, undefined, 1)).length).toBe(1);
});
