import { expect, test } from 'vitest'
import { openSeats } from '../../src/build/seats.ts'
import { openSlots } from '../../src/build/slots.ts'

test('a build that was claimed has the next slot promised, until it has it or leaves without it', async () => {
  const seats = openSeats(1)
  const seat = await seats.take()
  expect(seats.canStart()).toBe(true)
  seat.occupy()
  expect(seats.canStart()).toBe(false)
  seat.leave()
  expect(seats.canStart()).toBe(true)
  const next = await seats.take()
  next.occupy()
  const give = await next.takeSlot()
  expect(seats.canStart()).toBe(false)
  give()
  expect(seats.canStart()).toBe(true)
})

test('a slot that is given back twice is free once', async () => {
  const slots = openSlots(1)
  const give = await slots.take()
  give()
  give()
  expect(slots.free()).toBe(1)
})
