run --mmu soft --fs 'ext2@v11 expect clean' --schedule 'store@get_block#2 shrink grab store' whiteboard.scn
run --mmu soft --fs ext2@v10 --fs null --schedule 'fault:2 shrink fault:end' whiteboard.scn
