import type { AccountDetails, AccountKind } from './account.ts';

/** What is wrong with one detail of an account. */
export interface AccountProblem {
  readonly field: keyof AccountDetails;
  readonly message: string;
}

const LONGEST_EMAIL = 254;
const LONGEST_TEXT = 255;
/** Whether an address receives mail only a mail tells; this refuses what cannot be one. */
const EMAIL = /^[^\s@"<>]+@[^\s@.]+(?:\.[^\s@.]+)+$/;
const CONTROL_CHARACTER = /[\p{Cc}\p{Cs}]/u;

/** The detail that an account of the kind logs in with. */
const LOGIN_FIELD: Record<AccountKind, 'email' | 'username'> = {
  person: 'email',
  company: 'email',
  edge: 'username',
  superadmin: 'username',
};

const TEXTS = [
  'username',
  'first_name',
  'last_name',
  'company_name',
  'credits_user_id',
  'store_id',
] as const satisfies readonly (keyof AccountDetails)[];

/** Details that accounts of one kind only may have. */
const KIND_OF_DETAIL = {
  company_name: 'company',
  store_id: 'edge',
} as const satisfies Partial<Record<keyof AccountDetails, AccountKind>>;

/** What keeps the details from being an account; nothing when they are one. */
export function accountProblems(details: AccountDetails): AccountProblem[] {
  const problems: AccountProblem[] = [];
  const add = (field: keyof AccountDetails, message: string) => problems.push({ field, message });
  const { kind, roles, email, usage_user_id: usageUserId } = details;

  const loginField = LOGIN_FIELD[kind];
  if (details[loginField] === undefined) add(loginField, `${article(kind)} needs one`);
  if (email !== undefined && !isEmail(email)) add('email', 'This is not an e-mail address');
  for (const field of TEXTS) {
    const text = details[field];
    if (text !== undefined && !isText(text)) {
      add(field, `It has to be 1 to ${LONGEST_TEXT} characters, without control characters`);
    }
  }
  if (kind === 'person' && roles.length === 0) add('roles', 'A person has at least one role');
  if (kind !== 'person' && roles.length > 0) add('roles', 'Only a person has roles');
  if (kind === 'company' && details.company_name === undefined) add('company_name', 'A company needs one');
  for (const field of ['company_name', 'store_id'] as const) {
    const only = KIND_OF_DETAIL[field];
    if (details[field] !== undefined && kind !== only)
      add(field, `Only ${article(only).toLowerCase()} has one`);
  }
  if (usageUserId !== undefined && !(Number.isSafeInteger(usageUserId) && usageUserId > 0)) {
    add('usage_user_id', 'It has to be a whole number from 1 up');
  }
  return problems;
}

export function isEmail(text: string): boolean {
  return text.length <= LONGEST_EMAIL && EMAIL.test(text.trim());
}

/** The spelling that accounts are found by: case and surrounding space make no difference. */
export function foldEmail(email: string): string {
  return email.normalize('NFC').trim().toLowerCase();
}

export function foldUsername(username: string): string {
  return username.normalize('NFC').trim().toLowerCase();
}

function isText(text: string): boolean {
  return text.trim() !== '' && text.length <= LONGEST_TEXT && !CONTROL_CHARACTER.test(text);
}

function article(kind: AccountKind): string {
  return kind === 'edge' ? 'An edge' : `A ${kind}`;
}
