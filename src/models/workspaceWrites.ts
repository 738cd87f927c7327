import { type ClientSession, type Connection, Types } from 'mongoose';
import { countWords, type NewProject, type Project } from '../domain/workspace/project.ts';
import { DETAILS_LIMIT_BYTES, MOST_PROJECTS, STORAGE_LIMIT_BYTES } from '../domain/workspace/storage.ts';
import {
  contents,
  projects,
  type StoredProject,
  type StoredSpace,
  spaces,
  toProject,
  toSpace,
  type WorkspaceSpace,
} from './workspace.ts';

export type SaveOutcome =
  | { readonly kind: 'saved'; readonly project: Project; readonly space: WorkspaceSpace }
  | { readonly kind: 'refused'; readonly reason: 'storage-exceeded' | 'too-many-projects' };

/**
 * Saves a project as a new one, as part of a transaction. The room for it is taken first, by one conditional update: of
 * two saves that fit alone but not together the second finds none.
 *
 * @param drawCode - called anew when the steps run again, so that a code that somebody has already is not tried twice
 * @throws a duplicate key error when the code is taken; `inTransaction` then runs the steps again
 */
export async function saveProject(
  connection: Connection,
  project: NewProject,
  drawCode: () => string,
  session: ClientSession,
): Promise<SaveOutcome> {
  const metadata = JSON.stringify(project.metadata);
  const size_bytes = Buffer.byteLength(project.content);
  const space = await takeRoom(
    connection,
    project.user_id,
    size_bytes,
    detailsBytes(project, metadata),
    session,
  );
  if (typeof space === 'string') return { kind: 'refused', reason: space };

  const now = new Date();
  const stored: StoredProject = {
    _id: new Types.ObjectId(),
    user_id: project.user_id,
    code: drawCode(),
    number: space.last_number,
    title: project.title,
    app_source: project.app_source,
    project_type: project.project_type,
    metadata,
    size_bytes,
    word_count: countWords(project.content),
    created_at: now,
    updated_at: now,
  };
  await projects(connection).insertOne(stored, { session });
  await contents(connection).insertOne({ _id: stored._id, content: project.content }, { session });
  return { kind: 'saved', project: toProject(stored), space: toSpace(space) };
}

/**
 * Deletes a user's project and gives its bytes back, as part of a transaction. Of several at once one finds it.
 *
 * @returns what was deleted and what is left, or undefined when the user has no such project
 */
export async function deleteProject(
  connection: Connection,
  userId: string,
  code: string,
  session: ClientSession,
): Promise<{ project: Project; space: WorkspaceSpace } | undefined> {
  const deleted = await projects(connection).findOneAndDelete({ user_id: userId, code }, { session });
  if (!deleted) return undefined;
  await contents(connection).deleteOne({ _id: deleted._id }, { session });
  const space = await spaces(connection).findOneAndUpdate(
    { _id: userId },
    {
      $inc: {
        used_bytes: -deleted.size_bytes,
        details_bytes: -detailsBytes(deleted, deleted.metadata),
        projects: -1,
      },
    },
    { session, returnDocument: 'after' },
  );
  if (!space) throw new Error('A user with a project has a space');
  return { project: toProject(deleted), space: toSpace(space) };
}

/** Takes the room for a project, or says what it lacks. */
async function takeRoom(
  connection: Connection,
  userId: string,
  size: number,
  details: number,
  session: ClientSession,
): Promise<StoredSpace | 'storage-exceeded' | 'too-many-projects'> {
  if (size > STORAGE_LIMIT_BYTES) return 'storage-exceeded';
  const taken = await spaces(connection).findOneAndUpdate(
    {
      _id: userId,
      used_bytes: { $lte: STORAGE_LIMIT_BYTES - size },
      details_bytes: { $lte: DETAILS_LIMIT_BYTES - details },
      projects: { $lt: MOST_PROJECTS },
    },
    { $inc: { used_bytes: size, details_bytes: details, projects: 1, last_number: 1 } },
    { session, returnDocument: 'after' },
  );
  if (taken) return taken;
  const full = await spaces(connection).findOne({ _id: userId }, { session });
  if (full) return full.used_bytes + size > STORAGE_LIMIT_BYTES ? 'storage-exceeded' : 'too-many-projects';
  // Two first saves at once collide on the id, and one of them runs again.
  const first = { _id: userId, used_bytes: size, details_bytes: details, projects: 1, last_number: 1 };
  await spaces(connection).insertOne(first, { session });
  return first;
}

function detailsBytes(
  project: Pick<Project, 'title' | 'app_source' | 'project_type'>,
  metadata: string,
): number {
  const texts = [project.title, project.app_source, project.project_type, metadata];
  return texts.reduce((bytes, text) => bytes + Buffer.byteLength(text), 0);
}
