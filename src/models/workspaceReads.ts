import type { ClientSession, Connection } from 'mongoose';
import type { Project, ProjectWithContent } from '../domain/workspace/project.ts';
import { EMPTY_SPACE, type Space } from '../domain/workspace/space.ts';
import { inTransaction } from './transaction.ts';
import { contents, projects, type StoredProject, spaces, toProject } from './workspace.ts';

/** @throws ServiceUnavailableError when MongoDB is away */
export async function findSpace(connection: Connection, userId: string): Promise<Space> {
  return spaceOf(connection, userId);
}

export interface AppUsage {
  readonly projects: number;
  readonly size_bytes: number;
}

/**
 * What a user's projects take up together and by app, at one moment.
 *
 * @param apps - the apps that are counted each
 * @throws ServiceUnavailableError when MongoDB is away
 */
export function readSpaceByApp(
  connection: Connection,
  userId: string,
  apps: readonly string[],
): Promise<{ space: Space; byApp: ReadonlyMap<string, AppUsage> }> {
  return inTransaction(connection, async (session) => {
    const space = await spaceOf(connection, userId, session);
    const groups = await projects(connection)
      .aggregate<{ _id: string; projects: number; size_bytes: number }>(
        [
          { $match: { user_id: userId, app_source: { $in: [...apps] } } },
          { $group: { _id: '$app_source', projects: { $sum: 1 }, size_bytes: { $sum: '$size_bytes' } } },
        ],
        { session },
      )
      .toArray();
    return { space, byApp: new Map(groups.map((group) => [group._id, group])) };
  });
}

/**
 * All projects of a user with their contents, newest first, and what they take up, at one moment.
 *
 * @param appSource - only those of this app; the space is of all
 * @throws ServiceUnavailableError when MongoDB is away
 */
export function readProjects(
  connection: Connection,
  userId: string,
  appSource: string | undefined,
): Promise<{ projects: ProjectWithContent[]; space: Space }> {
  return inTransaction(connection, async (session) => {
    const space = await spaceOf(connection, userId, session);
    const found = await projects(connection)
      .find(ofUser(userId, appSource), { session })
      .sort({ updated_at: -1, number: -1 })
      .toArray();
    return { projects: await withContents(connection, found, session), space };
  });
}

/**
 * The project with that code, when it is this user's.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function findProject(
  connection: Connection,
  userId: string,
  code: string,
): Promise<ProjectWithContent | undefined> {
  const found = await projects(connection).findOne({ user_id: userId, code });
  if (!found) return undefined;
  const [project] = await withContents(connection, [found]);
  return project;
}

/** Where a page ends: behind the project that was saved there. */
export interface ProjectPosition {
  readonly updated_at: number;
  readonly number: number;
}

export interface ProjectPageQuery {
  readonly user_id: string;
  readonly app_source?: string | undefined;
  readonly after?: ProjectPosition | undefined;
  readonly limit: number;
}

/**
 * A page of a user's projects without contents, newest first.
 *
 * @returns `next` is absent on the last page
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function findProjectPage(
  connection: Connection,
  { user_id, app_source, after, limit }: ProjectPageQuery,
): Promise<{ projects: Project[]; next: ProjectPosition | undefined }> {
  const updated_at = new Date(after?.updated_at ?? 0);
  const older = after
    ? { $or: [{ updated_at: { $lt: updated_at } }, { updated_at, number: { $lt: after.number } }] }
    : {};
  const found = await projects(connection)
    .find({ ...ofUser(user_id, app_source), ...older })
    .sort({ updated_at: -1, number: -1 })
    .limit(limit + 1)
    .toArray();
  const page = found.slice(0, limit).map(toProject);
  return { projects: page, next: found.length > limit ? page.at(-1) : undefined };
}

async function spaceOf(connection: Connection, userId: string, session?: ClientSession): Promise<Space> {
  const found = await spaces(connection).findOne({ _id: userId }, session ? { session } : {});
  return found ?? EMPTY_SPACE;
}

function ofUser(userId: string, appSource: string | undefined) {
  return appSource === undefined ? { user_id: userId } : { user_id: userId, app_source: appSource };
}

async function withContents(
  connection: Connection,
  found: readonly StoredProject[],
  session?: ClientSession,
): Promise<ProjectWithContent[]> {
  const loaded = await contents(connection)
    .find({ _id: { $in: found.map((project) => project._id) } }, session ? { session } : {})
    .toArray();
  const byId = new Map(loaded.map(({ _id, content }) => [_id.toHexString(), content]));
  return found.flatMap((project) => {
    const content = byId.get(project._id.toHexString());
    // Deleted meanwhile, where the two are read at two moments.
    return content === undefined ? [] : [{ ...toProject(project), content }];
  });
}
