import { expect, onTestFinished, test, vi } from 'vitest'
import { openFirstPlace } from '../../src/build/first-place.ts'
import type { BuildRecord } from '../../src/record/build-record.ts'

function aPlace() {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const told: string[] = []
  const place = openFirstPlace({ setStatus: (status: string) => told.push(status) } as unknown as BuildRecord)
  return { place, told }
}

test('a build that waits for its first place is QUEUED after a second, and RUNNING once it has it, never again QUEUED', () => {
  const { place, told } = aPlace()
  place.ask()
  vi.advanceTimersByTime(999)
  expect(told).toEqual([])
  vi.advanceTimersByTime(1)
  expect([told, place.taken()]).toEqual([['QUEUED'], undefined])
  for (const step of [place.take, place.take, place.ask]) step()
  vi.advanceTimersByTime(10_000)
  expect(told).toEqual(['QUEUED', 'RUNNING'])
  expect(place.taken()).toBeDefined()
})

test.each([0, 2000])('an attempt that is over after %i ms of waiting changes its status no more', (waited) => {
  const { place, told } = aPlace()
  place.ask()
  vi.advanceTimersByTime(waited)
  place.close()
  const before = told.length
  for (const step of [place.ask, place.take]) step()
  vi.advanceTimersByTime(10_000)
  expect(told).toHaveLength(before)
})

test('the run of an attempt that is over before it asks for a place shows nothing', () => {
  const { place, told } = aPlace()
  place.close()
  place.ask()
  vi.advanceTimersByTime(10_000)
  expect(told).toEqual([])
})
