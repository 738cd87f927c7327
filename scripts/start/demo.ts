import type { Credentials } from './credentials.ts';
import type { Settings } from './settings.ts';

/** What somebody needs to try the system: printed by `npm run demo` as JSON, and by the ready banner. */
export interface Demo {
  base_url: string;
  /** Absent when MongoDB is not the embedded one: nobody is put into a database that is somebody else's. */
  seller?: { userName: string };
  admin: { api_key: string };
  board: { username: string; password: string };
  /** Lines for a shell that work as printed. */
  lines: Record<string, string>;
}

/** Every domain adds its users and tokens, and its lines, here. */
export function demoOf(credentials: Credentials, settings: Settings): Demo {
  const { baseUrl, environment, embedMongo } = settings;
  const { seller } = credentials;
  return {
    base_url: baseUrl,
    ...(embedMongo ? { seller } : {}),
    // The environment may hold keys of its own, which then count.
    admin: { api_key: environment.ADMIN_API_KEY ?? '' },
    board: { username: environment.BOARD_USERNAME ?? '', password: environment.BOARD_PASSWORD ?? '' },
    lines: { ...(embedMongo ? usageLines(baseUrl, seller.userName) : {}) },
  };
}

function usageLines(baseUrl: string, userName: string): Record<string, string> {
  const report = 'image_count=3&image_cost=0.0609&video_count=1&video_cost=6.4';
  return {
    usage: `curl -s -d 'userName=${userName}&${report}' ${baseUrl}/api/tools/update`,
    usage_stats: `curl -s '${baseUrl}/api/tools/stats/${userName}?period=today'`,
  };
}
