explore --mmu soft explore
explore --mmu soft --verbose --outcomes explore/orders.scn
explore --mmu soft --quiet explore/leak.scn
