explore --mmu soft explore/leak.scn
explore --mmu soft explore/hang.scn
explore --mmu soft explore/cycle.scn
