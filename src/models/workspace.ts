import { type Connection, Schema, type Types } from 'mongoose';
import type { Project } from '../domain/workspace/project.ts';
import type { Space } from '../domain/workspace/space.ts';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

/** Projects without their contents, which lie in a collection of their own: sizes and counts never load them. */
const projectSchema = new Schema(
  {
    user_id: { type: String, required: true },
    code: { type: String, required: true },
    /** Counts the user's saves, so that projects of one millisecond have an order. */
    number: { type: Number, required: true },
    title: { type: String, required: true },
    app_source: { type: String, required: true },
    project_type: { type: String, required: true },
    /** JSON text: names of a client's own choice must not become names of fields. */
    metadata: { type: String, required: true },
    size_bytes: { type: Number, required: true },
    word_count: { type: Number, required: true },
    created_at: { type: Date, required: true },
    updated_at: { type: Date, required: true },
  },
  { collection: 'workspace_projects', versionKey: false, strict: 'throw' },
);
projectSchema.index({ code: 1 }, { unique: true });
projectSchema.index({ user_id: 1, updated_at: -1, number: -1 });
projectSchema.index({ user_id: 1, app_source: 1, updated_at: -1, number: -1 });

/** Under the `_id` of the project: a code may come back after its project was deleted. */
const contentSchema = new Schema(
  { content: { type: String, required: true } },
  { collection: 'workspace_contents', versionKey: false, strict: 'throw' },
);

/** What each user's projects take up together. Every save and every deletion goes through it. */
const spaceSchema = new Schema(
  {
    /** The user's id. */
    _id: { type: String, required: true },
    used_bytes: { type: Number, required: true },
    /** Of everything but the contents. */
    details_bytes: { type: Number, required: true },
    projects: { type: Number, required: true },
    last_number: { type: Number, required: true },
  },
  { collection: 'workspace_spaces', versionKey: false, strict: 'throw' },
);

export interface StoredProject {
  _id: Types.ObjectId;
  user_id: string;
  code: string;
  number: number;
  title: string;
  app_source: string;
  project_type: string;
  metadata: string;
  size_bytes: number;
  word_count: number;
  created_at: Date;
  updated_at: Date;
}

export interface StoredContent {
  _id: Types.ObjectId;
  content: string;
}

interface StoredSpace extends Space {
  readonly _id: string;
}

export async function prepareWorkspace(connection: Connection): Promise<void> {
  await createMissing(connection, 'WorkspaceProject', projectSchema);
  await createMissing(connection, 'WorkspaceContent', contentSchema);
  await createMissing(connection, 'WorkspaceSpace', spaceSchema);
}

export function projects(connection: Connection) {
  return usable(connection).collection<StoredProject>('workspace_projects');
}

export function contents(connection: Connection) {
  return usable(connection).collection<StoredContent>('workspace_contents');
}

export function spaces(connection: Connection) {
  return usable(connection).collection<StoredSpace>('workspace_spaces');
}

export function toProject(stored: StoredProject): Project {
  const { _id, metadata, created_at, updated_at, ...rest } = stored;
  return {
    ...rest,
    metadata: JSON.parse(metadata),
    created_at: created_at.getTime(),
    updated_at: updated_at.getTime(),
  };
}
