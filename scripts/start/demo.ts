import type { Credentials } from './credentials.ts';
import type { Settings } from './settings.ts';

/**
 * What somebody needs to try the system: printed by `npm run demo` as JSON, and by the ready banner. Users and accounts
 * are absent when MongoDB is not the embedded one: nobody is put into a database that is somebody else's.
 */
export interface Demo {
  base_url: string;
  seller?: { userName: string };
  admin: { api_key: string; email?: string; password?: string };
  board: { username: string; password: string };
  superadmin?: { username: string; password: string };
  company?: { email: string; password: string };
  edge?: { username: string; password: string };
  member?: { email: string; password: string };
  credits: { api_key: string; bonus_key: string; user_id?: string };
  /** Lines for a shell that work as printed. */
  lines: Record<string, string>;
}

/** Every domain adds its users and tokens, and its lines, here. */
export function demoOf(credentials: Credentials, settings: Settings): Demo {
  const { baseUrl, environment, embedMongo } = settings;
  // The environment may hold keys of its own, which then count.
  const keys = {
    base_url: baseUrl,
    admin: { api_key: environment.ADMIN_API_KEY ?? '' },
    board: { username: environment.BOARD_USERNAME ?? '', password: environment.BOARD_PASSWORD ?? '' },
    credits: {
      api_key: environment.PENORA_API_KEY ?? '',
      bonus_key: environment.CREDITS_BONUS_KEY ?? '',
    },
  };
  if (!embedMongo) return { ...keys, lines: {} };
  const { seller, admin, company, edge, member, credits } = credentials;
  return {
    ...keys,
    seller,
    admin: { ...keys.admin, email: admin.email, password: admin.password },
    superadmin: {
      username: environment.SUPERADMIN_USERNAME ?? '',
      password: environment.SUPERADMIN_PASSWORD ?? '',
    },
    company,
    edge,
    member,
    credits: { ...keys.credits, user_id: credits.user_id },
    lines: {
      ...usageLines(baseUrl, seller.userName),
      credits: `curl -s -H 'X-API-Key: ${keys.credits.api_key}' '${baseUrl}/api/unified/user-info?user_id=${credits.user_id}'`,
      workspace: workspaceLine(baseUrl, keys.credits.api_key, credits.user_id),
      icons: iconsLine(baseUrl, keys.admin.api_key),
    },
  };
}

function usageLines(baseUrl: string, userName: string): Record<string, string> {
  const report = 'image_count=3&image_cost=0.0609&video_count=1&video_cost=6.4';
  return {
    usage: `curl -s -d 'userName=${userName}&${report}' ${baseUrl}/api/tools/update`,
    usage_stats: `curl -s '${baseUrl}/api/tools/stats/${userName}?period=today'`,
  };
}

function workspaceLine(baseUrl: string, apiKey: string, userId: string): string {
  const project = JSON.stringify({
    user_id: userId,
    app_source: 'demo',
    project_type: 'text',
    title: 'A first project',
    content: 'Hello',
  });
  return `curl -s -H 'X-API-Key: ${apiKey}' -H 'Content-Type: application/json' -d '${project}' ${baseUrl}/api/unified/save-project`;
}

function iconsLine(baseUrl: string, apiKey: string): string {
  const icon = JSON.stringify({ category: 'garden tools', style: 'flat' });
  return `curl -s -H 'Authorization: Bearer ${apiKey}' -H 'Content-Type: application/json' -d '${icon}' ${baseUrl}/api/icons/generate`;
}
