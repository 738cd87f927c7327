import type { Connection } from 'mongoose';
import type { WorkspaceWriter } from '../../../models/workspaceWriter.ts';
import type { FirstContact } from '../credits/firstContact.ts';

/** What the workspace routes work with. */
export interface WorkspaceRouteDependencies {
  readonly connection: Connection;
  readonly writer: WorkspaceWriter;
  readonly firstContact: FirstContact;
}
