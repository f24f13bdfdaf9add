"""What a text is about: its words, the matters people name in many ways, the spots. Pure.

Two citizens hardly ever say one thing in the same words: 没水, 断水 and 自来水停了 are one matter.
`MATTERS` says so for what a city hotline hears most; other words are taken as jieba cuts them.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import jieba

MOST = 600
"""Characters that are looked at: the matter is said in the first ones."""

jieba.setLogLevel("WARNING")  # it greets everybody on stderr otherwise

MATTERS: Mapping[str, tuple[str, ...]] = {
    "停水": (
        *("停水", "断水", "没水", "没有水", "无水", "水停了", "不来水", "不出水", "没自来水"),
        *("没来水", "用不上水", "吃不上水", "没有自来水", "自来水停", "供水中断", "缺水", "来水"),
        *("没有供水", "恢复供水", "自来水断"),
    ),
    "水压": ("水压", "水太小", "水流小", "水流很小", "水上不去", "水细"),
    "水质": ("水质", "水发黄", "水发黑", "水有异味", "水很黄", "黄水", "水浑", "浑浊"),
    "停电": (
        *("停电", "断电", "没电", "没有电", "跳闸", "电停了", "不来电", "供电中断", "没来电"),
        *("恢复供电", "没有供电"),
    ),
    "停气": ("停气", "断气", "没气", "没有气", "天然气停", "燃气停", "没有天然气", "没天然气"),
    "停暖": (
        *("停暖", "暖气不热", "没暖气", "没有暖气", "不供暖", "暖气停", "供暖温度", "室温"),
        *(
            "暖气片不热",
            "暖气冰凉",
            "暖气凉",
            "不暖和",
            "家里冷",
            "未供暖",
            "暖气片是凉",
            "暖气温度",
        ),
    ),
    "燃气味": ("燃气泄漏", "漏气", "煤气味", "天然气泄漏", "燃气味", "天然气味", "煤气泄漏"),
    "噪音": (
        *("噪音", "噪声", "扰民", "吵闹", "太吵", "很吵", "声音很大", "睡不着", "休息不了", "吵得"),
        *("无法休息", "不能休息", "没法休息", "没法睡觉", "无法入睡", "影响休息", "没办法睡"),
    ),
    "广场舞": ("广场舞", "跳舞", "大喇叭", "音响"),
    "施工": ("施工", "工地", "打桩", "挖掘机", "装修", "搅拌"),
    "欠薪": (
        *("欠薪", "拖欠工资", "讨薪", "工资没发", "不发工资", "没发工资", "工钱", "拖欠农民工"),
        *("欠工资", "工资拖欠", "要工资", "血汗钱", "工资未发", "未发工资", "欠发工资", "结工资"),
        *("工资一直没", "工资还没", "不给工资", "没给工资"),
    ),
    "路灯": ("路灯", "灯不亮", "没有路灯", "灯坏了", "照明灯"),
    "井盖": ("井盖", "窨井", "下水井"),
    "垃圾": ("垃圾", "废弃物", "脏乱差", "没人清运", "环境卫生", "杂物"),
    "污水": (
        *("污水", "下水道", "排水", "堵塞", "返水", "臭水", "化粪池", "粪水", "外溢", "冒水"),
        *("管道堵",),
    ),
    "积水": ("积水", "内涝", "水淹", "排不出去"),
    "漏水": ("漏水", "渗水", "水管破", "管道破裂", "爆管", "水管爆", "跑水", "管子破"),
    "房漏": ("屋顶漏", "房屋漏", "漏雨", "楼顶渗", "防水"),
    "坑洼": (
        "坑洼",
        "路面破损",
        "坑坑洼洼",
        "大坑",
        "路面塌陷",
        "路面不平",
        "路烂",
        "路坏",
        "修路",
    ),
    "违停": (
        *("违停", "乱停", "占道停车", "停满车", "车辆停放", "停车混乱", "乱停车", "堵住通道"),
        *("违章停车", "占用消防通道", "堵消防通道"),
    ),
    "停车难": ("停车位", "车位", "停车费", "停车收费"),
    "堵车": ("堵车", "拥堵", "红绿灯", "信号灯"),
    "占道": ("占道经营", "摆摊", "小摊", "流动摊贩", "出店经营", "摊贩", "占道"),
    "油烟": ("油烟", "烧烤", "餐馆油烟", "排烟"),
    "异味": ("异味", "臭味", "恶臭", "刺鼻", "难闻", "熏得", "味道很大", "气味"),
    "扬尘": ("扬尘", "灰尘", "尘土", "粉尘", "渣土"),
    "焚烧": ("焚烧", "烧秸秆", "烧垃圾", "冒黑烟", "黑烟"),
    "电梯": ("电梯", "困梯"),
    "物业费": ("物业费", "乱收费", "收费标准"),
    "违建": ("违建", "违章建筑", "私搭乱建", "搭建", "私自加盖", "加盖", "违法建设"),
    "拆迁": ("拆迁", "征地", "安置房", "补偿款", "过渡费", "回迁"),
    "房产证": ("房产证", "不动产证", "产权证", "办证"),
    "烂尾": ("烂尾", "延期交房", "交房", "不交房", "停工"),
    "公交": ("公交", "班车", "等车", "公交车"),
    "出租车": ("出租车", "拒载", "的士", "绕路", "网约车"),
    "社保": ("社保", "养老保险", "养老金", "退休金", "退休", "医保", "医疗保险", "报销"),
    "低保": ("低保", "困难补助", "救助", "贫困户", "五保", "临时救助"),
    "户口": ("户口", "身份证", "落户", "户籍"),
    "学校": ("学校", "上学", "入学", "转学", "学区", "学位", "幼儿园", "老师", "补课"),
    "医院": ("医院", "看病", "挂号", "大夫", "医生", "卫生院"),
    "食品": ("变质", "过期食品", "食品安全", "吃坏", "拉肚子", "食物中毒", "不新鲜", "过期"),
    "假货": ("假货", "假冒", "伪劣", "质量问题", "退款", "退货", "退钱", "不退", "卷款", "跑路"),
    "预付卡": ("预付卡", "会员卡", "办卡", "充值", "健身卡", "年卡", "理发卡"),
    "价格": ("价格", "涨价", "哄抬", "明码标价", "多收费"),
    "诈骗": ("诈骗", "骗子", "被骗", "传销", "非法集资"),
    "犬": ("流浪狗", "养狗", "狗叫", "不拴绳", "犬", "咬人", "狗粪", "大狗", "遛狗", "拴绳"),
    "树": ("树枝", "大树", "绿化", "树木", "砍树", "修剪"),
    "公厕": ("公厕", "公共厕所", "厕所"),
    "网络": ("宽带", "网络", "网速", "信号差", "手机信号", "没信号"),
    "水费": ("水费", "电费", "燃气费", "暖气费", "取暖费"),
    "飞线": ("飞线", "充电桩", "电动车充电", "充电"),
    "高空": ("高空抛物", "坠物", "墙皮", "外墙脱落", "外墙", "瓷砖掉", "脱落"),
    "态度": ("态度恶劣", "态度差", "推诿", "不作为", "踢皮球", "服务态度", "态度很差", "骂人"),
}
"""The name of a matter and how it is said."""

_SAY_NOTHING = """
市民 来电 反映 投诉 举报 咨询 求助 建议 希望 请求 要求 相关 有关 部门 单位 尽快 核实 处理 解决
问题 情况 现在 目前 已经 一直 至今 我家 我们 你们 他们 我 你 他 她 的 了 在 是 有 和 与 及 也
都 就 还 又 很 非常 太 不 没 没有 无 这 那 这个 那个 这里 那里 什么 怎么 为什么 多少 几 个 一个
今天 昨天 昨晚 前天 明天 早上 上午 中午 下午 晚上 凌晨 晚 天 日 月 年 点 时候 时间 开始 到 从 自
上 下 里 外 内 前 后 中 请 请问 您好 你好 谢谢 麻烦 给 把 被 让 对 为 由 于 但 但是 因为 所以 如果
而且 并且 以及 或者 可以 能 会 要 想 说 称 表示 诉求 该 此 其 某 等 等等 人 大家 居民 群众 家里 家
来 去 出现 存在 进行 造成 影响 严重 附近 旁边 门口 对面 左右 多 两 三 四 五 六 七 八 九 十 一 二
天了 多天 好几 几天 我要 一下 吗 呢 啊 吧 呀 哦 嗯 喂 诶 那边 这边 已 经 可能 地址 位于 工作人员
联系 电话 打电话 多次 仍 仍然 依然 还是 只有 全部 整个 都是 就是 不知道 小区 路 街 号 号楼 单元
村 镇 区 县 宝鸡 宝鸡市 社区 无法 不能 没人 管 一点 有人
"""
_STOP = frozenset(_SAY_NOTHING.split())

_KINDS = {
    "road": "路 街 巷 大道 大街 桥 天桥",
    "estate": "小区 花园 家园 苑 府 新城 国际 公寓 家属院 嘉园 雅居 大厦",
    "village": "村 社区 组 堡",
    "school": "中学 小学 幼儿园 学校 学院 大学",
    "firm": "公司 厂 饭店 酒店 超市 商场 市场 医院",
    "open": "广场 公园 站 工业园 新区",
}
"""How names of spots end; two roads are two places, a road and an estate may be one."""
_TAILS = {tail: kind for kind, tails in _KINDS.items() for tail in tails.split()}
_ENDS = tuple(_TAILS)
_NO_SPOT = re.compile(
    "(?:公路|马路|铁路|道路|一路|走路|修路|半路|高速公路|农贸市场|菜市场|.?政府|.?车站|网站|子公司|.?总公司"
    "|分公司|有限公司|物业公司|自来水公司|燃气公司|热力公司|供电公司|供水公司|加油站|公交站|小组|立交桥"
    "|过街天桥|消防通道|老旧小区|十字路|住宅小区|居民小区|大型超市|开发商.*|.*(?:线路|思路|套路|网路|电路)"
    "|[这那该本全整每各一二两几我们你的在到是个家条里间所座了和与].*)"
)
_NO_NAMES = _STOP | {"家住", "住在", "公共", "大型", "物业", "自来水", "保险", "有限"}
_LINE = re.compile(r"\d{1,3}路|[经纬][一二三四五六七八九十]路")
"""A bus line, and the roads of Baoji that jieba tears apart."""

_KEEP = re.compile(r"[^0-9a-z\u4e00-\u9fff]+")
_NUMBER = re.compile(r"\d{1,4}(?=号|栋|幢|单元)")
_SPAN = range(1, 1 + max(len(way) for ways in MATTERS.values() for way in ways))
_BY_WAY = {way: matter for matter, ways in MATTERS.items() for way in ways}


@dataclass(frozen=True, slots=True)
class Said:
    """What is kept of a text."""

    words: tuple[str, ...] = ()
    """Each once, in order; names of matters stand for the ways they were said."""
    matters: frozenset[str] = frozenset()
    spots: frozenset[str] = frozenset()
    """Roads, estates, villages, schools … that are named."""
    numbers: frozenset[str] = frozenset()
    """House and building numbers."""

    @property
    def line(self) -> str:
        """The words as one line."""
        return " ".join(self.words)


def plain(text: str) -> str:
    """Return *text* in one form: full-width as ASCII, lower case, no half characters."""
    clean = text[:MOST].encode("utf-8", "replace").decode()
    return unicodedata.normalize("NFKC", clean)[:MOST].lower()


def listen(text: str) -> Said:
    """Return what *text* is about; never raises, whatever it holds."""
    whole = plain(text).replace("路口", "路")
    cut = jieba.lcut(_KEEP.sub(" ", whole))
    matters = frozenset(_matters(whole))
    spots = frozenset(_spots(whole, cut))
    named = dict.fromkeys(
        _BY_WAY.get(word, word)
        for word in cut
        if word != " " and word not in _STOP and not word.isdigit()
    )
    words = dict.fromkeys((*sorted(matters), *named, *sorted(spots)))
    return Said(tuple(words), matters, spots, frozenset(_NUMBER.findall(whole)))


def kind_of(spot: str) -> str:
    """Return what sort of place *spot* is by how its name ends, `line` for a bus line."""
    if _LINE.fullmatch(spot) and spot[0].isdigit():
        return "line"
    return next(_TAILS[spot[-n:]] for n in (3, 2, 1) if spot[-n:] in _TAILS)


def _matters(text: str) -> Iterator[str]:
    for start in range(len(text)):
        for length in _SPAN:
            matter = _BY_WAY.get(text[start : start + length])
            if matter is not None:
                yield matter


def _spots(text: str, cut: list[str]) -> Iterator[str]:
    yield from _LINE.findall(text)
    for earlier, before, word in zip(["", "", *cut], ["", *cut], cut, strict=False):
        name = word
        if word in _TAILS or (len(word) == 2 and len(before) == 1 and word.endswith(_ENDS)):
            # jieba knows few names: 金陵 湾 小区 is one
            apart = len(before) > 1 or before == " " or len(earlier) < 2 or earlier in _STOP
            name = ("" if apart else earlier) + before.strip() + word
        elif len(word) < 3 or not word.endswith(_ENDS):
            continue
        if len(name) > 2 and not _NO_SPOT.fullmatch(name) and before not in _NO_NAMES:
            yield name
