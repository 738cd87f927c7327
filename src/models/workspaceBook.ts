import { type ClientSession, type Connection, Types } from 'mongoose';
import { countWords, type NewProject, type Project } from '../domain/workspace/project.ts';
import { drawProjectCode, type RandomIndex } from '../domain/workspace/projectCode.ts';
import {
  EMPTY_SPACE,
  giveBack,
  type ProjectBytes,
  type Space,
  type SpaceRefusal,
  takeRoom,
} from '../domain/workspace/space.ts';
import { findPaths, markSaved } from './iconFiles.ts';
import { accounts } from './ledgerDocuments.ts';
import {
  contents,
  projects,
  type StoredContent,
  type StoredProject,
  spaces,
  toProject,
} from './workspace.ts';

/** One thing to do to a user's projects. */
export type WorkspaceCommand =
  | {
      readonly kind: 'save';
      readonly project: NewProject;
      /** Path of the stored icon that the project shows: it has to be there, and is spared from clearing with the save. */
      readonly icon?: string;
    }
  | { readonly kind: 'delete'; readonly user_id: string; readonly code: string };

export type WorkspaceOutcome =
  /** The project that was saved or deleted, and what the user's projects take up now. */
  | { readonly kind: 'done'; readonly project: Project; readonly space: Space }
  | { readonly kind: 'refused'; readonly reason: WorkspaceRefusal };

export type WorkspaceRefusal = SpaceRefusal | 'unknown-user' | 'unknown-project' | 'unknown-icon';

/** Somebody wrote to the spaces without a transaction. */
export class ForeignSpaceWriteError extends Error {
  override name = 'ForeignSpaceWriteError';
}

/**
 * The part of the workspace that some commands need, as one transaction sees it. They are carried out in memory, one after
 * the other, each seeing what the ones before have done; then everything is written at once. Sizes and counts are read,
 * contents never.
 */
export class WorkspaceBook {
  readonly #connection: Connection;
  readonly #session: ClientSession;
  readonly #randomIndex: RandomIndex;
  readonly #users = new Set<string>();
  readonly #icons = new Set<string>();
  readonly #savedIcons = new Set<string>();
  readonly #loadedSpaces = new Map<string, Space>();
  readonly #spaces = new Map<string, Space>();
  readonly #deletable = new Map<string, StoredProject>();
  readonly #saved: StoredProject[] = [];
  readonly #contents: StoredContent[] = [];
  readonly #deleted: Types.ObjectId[] = [];

  private constructor(connection: Connection, session: ClientSession, randomIndex: RandomIndex) {
    this.#connection = connection;
    this.#session = session;
    this.#randomIndex = randomIndex;
  }

  /** Loads what the commands need. */
  static async open(
    connection: Connection,
    session: ClientSession,
    randomIndex: RandomIndex,
    commands: readonly WorkspaceCommand[],
  ): Promise<WorkspaceBook> {
    const book = new WorkspaceBook(connection, session, randomIndex);
    await book.#load(commands);
    return book;
  }

  /** Carries out one of the commands that the book was opened for, in memory. */
  carryOut(command: WorkspaceCommand): WorkspaceOutcome {
    return command.kind === 'save'
      ? this.#save(command.project, command.icon)
      : this.#delete(command.user_id, command.code);
  }

  /**
   * Writes what the commands have come to.
   *
   * @throws a duplicate key error when a code that was drawn is taken; `inTransaction` then begins anew with other codes
   */
  async write(): Promise<void> {
    const session = this.#session;
    // The spaces come first: they are what concurrent transactions collide on, and a collision then costs least.
    for (const [userId, space] of this.#spaces) await this.#writeSpace(userId, space);
    if (this.#saved.length > 0) {
      await projects(this.#connection).insertMany(this.#saved, { session });
      await contents(this.#connection).insertMany(this.#contents, { session });
    }
    if (this.#savedIcons.size > 0) await markSaved(this.#connection, [...this.#savedIcons], session);
    if (this.#deleted.length > 0) {
      await projects(this.#connection).deleteMany({ _id: { $in: this.#deleted } }, { session });
      await contents(this.#connection).deleteMany({ _id: { $in: this.#deleted } }, { session });
    }
  }

  #save(project: NewProject, icon: string | undefined): WorkspaceOutcome {
    if (!this.#users.has(project.user_id)) return { kind: 'refused', reason: 'unknown-user' };
    if (icon !== undefined && !this.#icons.has(icon)) return { kind: 'refused', reason: 'unknown-icon' };
    const metadata = JSON.stringify(project.metadata);
    const size_bytes = Buffer.byteLength(project.content);
    const room = { size: size_bytes, details: detailsBytes(project, metadata) };
    const space = takeRoom(this.#spaceOf(project.user_id), room);
    if (typeof space === 'string') return { kind: 'refused', reason: space };
    const now = new Date();
    const stored: StoredProject = {
      _id: new Types.ObjectId(),
      user_id: project.user_id,
      code: drawProjectCode(project.app_source, this.#randomIndex),
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
    this.#saved.push(stored);
    this.#contents.push({ _id: stored._id, content: project.content });
    if (icon !== undefined) this.#savedIcons.add(icon);
    this.#spaces.set(project.user_id, space);
    return { kind: 'done', project: toProject(stored), space };
  }

  #delete(userId: string, code: string): WorkspaceOutcome {
    const stored = this.#deletable.get(code);
    if (stored?.user_id !== userId) return { kind: 'refused', reason: 'unknown-project' };
    this.#deletable.delete(code);
    this.#deleted.push(stored._id);
    const space = giveBack(this.#spaceOf(userId), bytesOf(stored));
    this.#spaces.set(userId, space);
    return { kind: 'done', project: toProject(stored), space };
  }

  #spaceOf(userId: string): Space {
    return this.#spaces.get(userId) ?? this.#loadedSpaces.get(userId) ?? EMPTY_SPACE;
  }

  async #load(commands: readonly WorkspaceCommand[]): Promise<void> {
    const session = this.#session;
    const savers = commands.flatMap((command) => (command.kind === 'save' ? command.project.user_id : []));
    const deletions = commands.flatMap((command) => (command.kind === 'delete' ? command : []));
    const owners = deletions.map(({ user_id }) => user_id);
    if (savers.length > 0) {
      const known = accounts(this.#connection).find(
        { _id: { $in: savers } },
        { session, projection: { _id: 1 } },
      );
      for await (const { _id } of known) this.#users.add(_id);
    }
    const icons = commands.flatMap((command) => (command.kind === 'save' ? (command.icon ?? []) : []));
    if (icons.length > 0) {
      for (const path of await findPaths(this.#connection, icons, session)) this.#icons.add(path);
    }
    const loaded = spaces(this.#connection).find({ _id: { $in: [...savers, ...owners] } }, { session });
    for await (const { _id, ...space } of loaded) this.#loadedSpaces.set(_id, space);
    if (deletions.length > 0) {
      const named = projects(this.#connection).find(
        { code: { $in: deletions.map(({ code }) => code) } },
        { session },
      );
      for await (const stored of named) this.#deletable.set(stored.code, stored);
    }
  }

  /** Compares and sets, which in a transaction is once more than needed: a quota must not hang on one guard. */
  async #writeSpace(userId: string, space: Space): Promise<void> {
    const session = this.#session;
    const before = this.#loadedSpaces.get(userId);
    if (!before) {
      // Two first saves at once collide on the id, and one of them begins anew.
      await spaces(this.#connection).insertOne({ _id: userId, ...space }, { session });
      return;
    }
    const { matchedCount } = await spaces(this.#connection).updateOne(
      { _id: userId, ...before },
      { $set: { ...space } },
      { session },
    );
    if (matchedCount !== 1) throw new ForeignSpaceWriteError(`The space of ${userId} is not what was read`);
  }
}

function bytesOf(stored: StoredProject): ProjectBytes {
  return { size: stored.size_bytes, details: detailsBytes(stored, stored.metadata) };
}

function detailsBytes(
  project: Pick<Project, 'title' | 'app_source' | 'project_type'>,
  metadata: string,
): number {
  const texts = [project.title, project.app_source, project.project_type, metadata];
  return texts.reduce((bytes, text) => bytes + Buffer.byteLength(text), 0);
}
