run --mmu soft --schedule 'shrink shrink' whiteboard.scn
run --mmu soft --schedule 'store@get_block#99 shrink' whiteboard.scn
run --mmu soft --fs 'ext2@v10 expect bug lost-store' --schedule 'shrink store@dax_load_hole' whiteboard.scn
run --mmu soft --schedule 'fault:2 shrink trunc:1' whiteboard.scn
run --mmu soft --schedule 'store@truncate_mutex shrink [blocks on mmap_sem]' whiteboard.scn
run --mmu soft --json --schedule 'shrink@end_io' whiteboard.scn
