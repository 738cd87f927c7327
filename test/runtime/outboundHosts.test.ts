import type { LookupAddress } from 'node:dns';
import { expect, test } from 'vitest';
import { HostNotAllowedError, isPublicAddress, OutboundHosts } from '../../src/runtime/outboundHosts.ts';

const v4 = (address: string): LookupAddress => ({ address, family: 4 });

test.each([
  ['loopback', ['127.0.0.1', '127.255.255.254', '::1']],
  ['unspecified', ['0.0.0.0', '0.1.2.3', '::']],
  ['private', ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fd12:3456::1']],
  [
    'link-local, where clouds keep their credentials',
    ['169.254.169.254', 'fe80::1', 'fe80::1%eth0', 'fec0::1'],
  ],
  ['carrier-grade NAT', ['100.64.0.1', '100.127.255.255']],
  ['multicast and broadcast', ['224.0.0.1', '239.255.255.255', '255.255.255.255', 'ff02::1']],
  [
    'reserved and documentation',
    [
      '192.0.0.8',
      '192.0.2.1',
      '198.18.0.1',
      '198.51.100.1',
      '203.0.113.1',
      '240.0.0.1',
      '2001:db8::1',
      '3fff::1',
      '100::1',
    ],
  ],
  [
    'an IPv4 address inside',
    [
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '::ffff:7f00:1',
      '::127.0.0.1',
      '::8.8.8.8',
      '64:ff9b::7f00:1',
      '64:ff9b:1::a00:1',
      '2002:7f00:1::',
      '2001:0:4136:e378:8000:63bf:3fff:fdd2',
      '::ffff:0:127.0.0.1',
    ],
  ],
  ['outside of what is given out', ['4000::1', '5f00::1', '0100::', '1::1', 'e000::1']],
  ['no address', ['', 'localhost', '127.0.0.1.', '1.2.3', '0x7f.1', 'fe80::1%', '::ffff:1.2.3.4.5']],
])('%s is not public', (_, addresses) => {
  expect(addresses.filter(isPublicAddress)).toEqual([]);
});

test('addresses that anybody can have are public', () => {
  const addresses = [
    '1.1.1.1',
    '8.8.8.8',
    '93.184.216.34',
    '172.15.0.1',
    '172.32.0.1',
    '100.63.255.255',
    '100.128.0.1',
    '2606:4700:4700::1111',
    '2a00:1450:4001:800::200e',
  ];
  expect(addresses.filter((address) => !isPublicAddress(address))).toEqual([]);
});

test('one private address among public ones spoils the host', async () => {
  const hosts = new OutboundHosts({
    allowPrivate: false,
    resolve: async () => [v4('93.184.216.34'), v4('10.0.0.1')],
  });
  await expect(hosts.addressesOf('mixed.test')).rejects.toThrow(HostNotAllowedError);
});

test('an address in text is checked without a look-up, in every notation of a URL', async () => {
  const hosts = new OutboundHosts({
    allowPrivate: false,
    resolve: () => Promise.reject(new Error('nothing is looked up')),
  });
  const written = [
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://[::1]/',
    'http://[::ffff:7f00:1]/',
    'http://①②⑦.0.0.1/',
  ];
  for (const url of written) {
    await expect(hosts.addressesOf(new URL(url).hostname), url).rejects.toThrow(HostNotAllowedError);
  }
  expect(await hosts.addressesOf('[2606:4700:4700::1111]')).toEqual([
    { address: '2606:4700:4700::1111', family: 6 },
  ]);
});

test('with private addresses allowed everything passes', async () => {
  const hosts = new OutboundHosts({ allowPrivate: true, resolve: async () => [v4('10.0.0.1')] });
  expect(await hosts.addressesOf('inside.test')).toEqual([v4('10.0.0.1')]);
  expect(await hosts.addressesOf('127.0.0.1')).toEqual([v4('127.0.0.1')]);
});

test('a name is looked up once at a time, and anew when that is over', async () => {
  let asked = 0;
  let answer = Promise.withResolvers<LookupAddress[]>();
  const hosts = new OutboundHosts({
    allowPrivate: false,
    resolve: () => {
      asked += 1;
      return answer.promise;
    },
  });
  const both = [hosts.addressesOf('slow.test'), hosts.addressesOf('slow.test')];
  answer.resolve([v4('1.1.1.1')]);
  expect(await Promise.all(both)).toEqual([[v4('1.1.1.1')], [v4('1.1.1.1')]]);
  expect(asked).toBe(1);
  answer = Promise.withResolvers();
  answer.resolve([v4('127.0.0.1')]);
  await expect(hosts.addressesOf('slow.test')).rejects.toThrow(HostNotAllowedError);
  expect(asked).toBe(2);
});
