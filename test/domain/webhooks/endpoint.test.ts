import { expect, test } from 'vitest';
import { readEndpointUrl } from '../../../src/domain/webhooks/endpoint.ts';

test.each([
  ['https://example.com', 'https://example.com/'],
  ['HTTPS://Example.COM:443/a b?c=d', 'https://example.com/a%20b?c=d'],
  ['http://example.com:8080/hook', 'http://example.com:8080/hook'],
  ['https://bücher.example/x', 'https://xn--bcher-kva.example/x'],
  ['https://[2606:4700::1]:8443/', 'https://[2606:4700::1]:8443/'],
])('%s is taken', (text, url) => {
  expect(readEndpointUrl(text, false)).toBe(url);
});

test.each([
  ['', /address/],
  ['example.com/hook', /address/],
  ['//example.com', /address/],
  ['https://', /address/],
  [`https://example.com/${'x'.repeat(2_048)}`, /at most 2048/],
  ['ftp://example.com', /https/],
  ['file:///etc/passwd', /https/],
  ['javascript:alert(1)', /https/],
  ['gopher://example.com:6379/', /https/],
  ['https://user@example.com', /password/],
  ['https://user:pass@example.com', /password/],
  ['https://:pass@example.com', /password/],
  ['https://example.com/#part', /fragment/],
  ['http://example.com:22/', /port/],
  ['http://example.com:25/', /port/],
  ['http://example.com:0/', /port/],
])('%s is refused', (text, why) => {
  expect(readEndpointUrl(text, false)).toEqual({ refused: expect.stringMatching(why) });
});

test('every port can be allowed', () => {
  expect(readEndpointUrl('http://example.com:22/', true)).toBe('http://example.com:22/');
});
