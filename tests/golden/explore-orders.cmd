explore --mmu soft explore/orders.scn
run --mmu soft explore/orders.scn
explore --mmu soft explore/result.scn
explore --mmu soft explore/setup.scn
explore --mmu soft --strategy 'preempt 0' explore/orders.scn
