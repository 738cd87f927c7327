import { z } from 'zod';
import type { TokenPair } from './tokenPair.ts';

export const SessionTokens = z
  .object({
    access_token: z.string(),
    refresh_token: z.string(),
    token_type: z.literal('bearer'),
    expires_in: z.int().meta({ description: 'Seconds that the access token lives' }),
  })
  .meta({ id: 'SessionTokens' });

export function sessionTokens({
  accessToken,
  refreshToken,
  expiresIn,
}: TokenPair): z.infer<typeof SessionTokens> {
  return {
    access_token: accessToken,
    refresh_token: refreshToken,
    token_type: 'bearer',
    expires_in: expiresIn,
  };
}
