import type { Connection } from 'mongoose';
import type { FirstContact } from '../credits/firstContact.ts';

/** What the workspace routes work with. */
export interface WorkspaceRouteDependencies {
  readonly connection: Connection;
  readonly firstContact: FirstContact;
}
