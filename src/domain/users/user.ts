/** Somebody whose usage is counted. The numbers in `roles` and `status` are the ones of the contract's first server. */
export interface User {
  readonly user_id: number;
  readonly user_name: string;
  readonly roles: number;
  readonly status: number;
}

/** A user who may bring an id along, or gets one. */
export type NewUser = Omit<User, 'user_id'> & { readonly user_id?: number };

/** The fields of a user as people write them: on a command line, in a line of a file. */
export type UserFields = Readonly<Record<'userName' | 'roles' | 'status', string>>;

/** Why the fields are no user. */
export interface RefusedUser {
  readonly refused: string;
}

export const LONGEST_USER_NAME = 255;
const CONTROL_OR_HALF_CHARACTER = /[\p{Cc}\p{Cs}]/u;
const VISIBLE_CHARACTER = /[^\p{Z}\p{Cf}]/u;
/** What a decoder puts in the place of bytes that are not UTF-8: the true name is lost. */
const REPLACEMENT_CHARACTER = '\ufffd';
const WHOLE_NUMBER = /^\d{1,16}$/;

/** Reads a user who gets an id. */
export function readNewUser(fields: UserFields): NewUser | RefusedUser {
  const userName = fields.userName.trim();
  const wrong = whatIsWrongWithName(userName);
  if (wrong) return { refused: wrong };
  const roles = readWholeNumber(fields.roles);
  if (roles === undefined) return { refused: notWhole('roles', fields.roles) };
  const status = readWholeNumber(fields.status);
  if (status === undefined) return { refused: notWhole('status', fields.status) };
  return { user_name: userName, roles, status };
}

/** Reads a user who brings an id along. */
export function readUserWithId(fields: UserFields & { readonly user_id: string }): User | RefusedUser {
  const user = readNewUser(fields);
  if ('refused' in user) return user;
  const userId = readWholeNumber(fields.user_id);
  if (!userId) {
    return { refused: `user_id has to be a whole number from 1 to 2^53 - 1, not ${quoted(fields.user_id)}` };
  }
  return { ...user, user_id: userId };
}

function whatIsWrongWithName(userName: string): string | undefined {
  if (!VISIBLE_CHARACTER.test(userName)) return 'userName is empty';
  if (userName.length > LONGEST_USER_NAME) return `userName is longer than ${LONGEST_USER_NAME} characters`;
  if (CONTROL_OR_HALF_CHARACTER.test(userName)) return 'userName holds a control character';
  if (userName.includes(REPLACEMENT_CHARACTER)) return 'userName is not written in UTF-8';
  return undefined;
}

function readWholeNumber(text: string): number | undefined {
  const trimmed = text.trim();
  if (!WHOLE_NUMBER.test(trimmed)) return undefined;
  const value = Number(trimmed);
  return Number.isSafeInteger(value) ? value : undefined;
}

function notWhole(field: string, text: string): string {
  return `${field} has to be a whole number from 0 up, not ${quoted(text)}`;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
